#!lua
-- Raises the epoch of every shard of a part; answers the new ones.
local epochs = {}
for shard = tonumber(ARGV[2]), tonumber(ARGV[3]) - 1, tonumber(ARGV[4]) do
  epochs[#epochs + 1] = redis.call('HINCRBY', ARGV[1] .. ':epochs', shard, 1)
end
return epochs
