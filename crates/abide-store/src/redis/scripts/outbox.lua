#!lua flags=no-writes
-- Messages in order, as many as some bytes hold, at least one: each member, and the message.
-- The last row is how many members there were.
local rows, left = {}, tonumber(ARGV[4])
local members = redis.call('ZRANGEBYLEX', ARGV[1] .. ':outbox', ARGV[2], '+', 'LIMIT', 0, ARGV[3])
for _, member in ipairs(members) do
  local message = redis.call('HGET', ARGV[1] .. ':messages', member)
  rows[#rows + 1] = { member, message }
  left = left - #member - #(message or '')
  if left <= 0 then break end
end
rows[#rows + 1] = #members
return rows
