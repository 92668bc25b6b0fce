#!lua flags=no-writes
-- Alarms in the order of a set of them, as many as some bytes hold, at least one: each member, and the alarm.
-- The last row is how many members there were.
local tag, left = ARGV[1], tonumber(ARGV[6])
local rows = {}
local members = redis.call('ZRANGEBYLEX', ARGV[2], ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])
for _, member in ipairs(members) do
  local parts, rest = object_of(member, 16)
  local object = tag .. ':o:' .. parts[1] .. ':' .. parts[2] .. ':' .. parts[3]
  local alarm = redis.call('HGET', object, '@alarm:' .. unescaped(string.sub(member, rest)))
  rows[#rows + 1] = { parts[1], parts[2], parts[3], member, alarm }
  left = left - #member - #(alarm or '')
  if left <= 0 then break end
end
rows[#rows + 1] = #members
return rows
