#!lua
-- Runs the commands of rows that are not in yet, and notes how many rows are: 'I' if indexes were declared
-- meanwhile, 'O' if this is not the import that is under way, 'L' if rows are gone that were in.
local meta = ARGV[1] .. ':meta'
local found = redis.call('HMGET', meta, 'import', 'imported', 'indexes')
if found[1] ~= ARGV[2] then return { 'O' } end
if (found[3] or '0') ~= ARGV[4] then return { 'I' } end
local done = tonumber(found[2] or '0')
if done < tonumber(ARGV[5]) then return { 'L' } end
local at = 6
while at <= #ARGV do
  local number, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  if number >= done then redis.call(unpack(ARGV, at + 2, at + 1 + count)) end
  at = at + 2 + count
end
if tonumber(ARGV[3]) > done then redis.call('HSET', meta, 'imported', ARGV[3]) end
return { 'D' }
