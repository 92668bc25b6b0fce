#!lua flags=no-writes
-- Messages in order: each member, and the message.
local rows = {}
for _, member in ipairs(redis.call('ZRANGEBYLEX', ARGV[1] .. ':outbox', ARGV[2], '+', 'LIMIT', 0, ARGV[3])) do
  rows[#rows + 1] = { member, redis.call('HGET', ARGV[1] .. ':messages', member) }
end
return rows
