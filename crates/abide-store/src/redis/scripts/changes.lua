#!lua flags=no-writes
-- A page of an object's kept changes: head, floor, the first entry's seq, the entries. It ends with a limit or
-- with some bytes, and has one entry at least.
local found = redis.call('HMGET', ARGV[1], '@head', '@floor')
if not found[1] then return {} end
local floor = tonumber(found[2] or '0')
local from, limit, left = math.max(tonumber(ARGV[3]) - floor, 0), tonumber(ARGV[4]), tonumber(ARGV[5])
local entries, first, few = {}, from, 16
while limit > #entries and first < tonumber(found[1]) - floor do
  local read = redis.call('LRANGE', ARGV[2], first, first + math.min(few, limit - #entries) - 1)
  if #read == 0 then break end
  local before = left
  for _, entry in ipairs(read) do
    left = left - #entry
    if left < 0 and #entries > 0 then
      limit = 0
      break
    end
    entries[#entries + 1] = entry
  end
  first = first + #read
  if left <= 0 then break end
  few = math.max(1, math.min(math.floor(left * #read / math.max(before - left, 1)), 1000))
end
return { found[1], found[2] or '0', string.format('%.0f', floor + from + 1), entries }
