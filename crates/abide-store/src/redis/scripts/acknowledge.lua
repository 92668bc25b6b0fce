#!lua
-- Takes messages out of the outbox.
for i = 2, #ARGV do
  redis.call('ZREM', ARGV[1] .. ':outbox', ARGV[i])
  redis.call('HDEL', ARGV[1] .. ':messages', ARGV[i])
end
return #ARGV - 1
