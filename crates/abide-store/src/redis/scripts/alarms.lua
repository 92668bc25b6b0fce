#!lua flags=no-writes
-- Alarms in the order of a set of them: each member, and the alarm.
local tag = ARGV[1]
local function unescaped(text)
  return (string.gsub(text, '%z\255', '\0'))
end
local rows = {}
for _, member in ipairs(redis.call('ZRANGEBYLEX', ARGV[2], ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])) do
  local parts, from, look = {}, 16, 16
  while #parts < 3 do
    local stop = string.find(member, '\0', look, true)
    look = stop + 1
    if string.byte(member, look) ~= 255 then
      parts[#parts + 1] = unescaped(string.sub(member, from, stop - 1))
      from = look
    end
  end
  local object = tag .. ':o:' .. parts[1] .. ':' .. parts[2] .. ':' .. parts[3]
  local alarm = redis.call('HGET', object, '@alarm:' .. unescaped(string.sub(member, from)))
  rows[#rows + 1] = { parts[1], parts[2], parts[3], member, alarm }
end
return rows
