#!lua flags=no-writes
-- For each place in a sorted set: whether it is there, and what it names, a field of a hash or another one.
local rows = {}
for i = 2, #ARGV, 4 do
  local found = redis.pcall('HMGET', ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  local value = not found.err and (found[1] or found[2])
  rows[#rows + 1] = { redis.call('ZSCORE', ARGV[1], ARGV[i]), value }
end
return rows
