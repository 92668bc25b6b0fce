#!lua flags=no-writes
-- Alarms in the order of a set of them: each member, and the alarm.
local tag = ARGV[1]
local rows = {}
for _, member in ipairs(redis.call('ZRANGEBYLEX', ARGV[2], ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])) do
  local parts, rest = object_of(member, 16)
  local object = tag .. ':o:' .. parts[1] .. ':' .. parts[2] .. ':' .. parts[3]
  local alarm = redis.call('HGET', object, '@alarm:' .. unescaped(string.sub(member, rest)))
  rows[#rows + 1] = { parts[1], parts[2], parts[3], member, alarm }
end
return rows
