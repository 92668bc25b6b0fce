#!lua
-- Takes messages out of the outbox, unless an import is under way.
if redis.call('HEXISTS', ARGV[1] .. ':meta', 'import') == 1 then return -1 end
for i = 2, #ARGV do
  redis.call('ZREM', ARGV[1] .. ':outbox', ARGV[i])
  redis.call('HDEL', ARGV[1] .. ':messages', ARGV[i])
end
return #ARGV - 1
