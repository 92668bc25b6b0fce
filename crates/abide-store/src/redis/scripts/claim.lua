#!lua
-- Raises the epoch of every shard of a part; answers the new ones. Nobody can own a part of an import.
if ARGV[5] ~= 'any' and redis.call('HEXISTS', ARGV[1] .. ':meta', 'import') == 1 then return {} end
local epochs = {}
for shard = tonumber(ARGV[2]), tonumber(ARGV[3]) - 1, tonumber(ARGV[4]) do
  epochs[#epochs + 1] = redis.call('HINCRBY', ARGV[1] .. ':epochs', shard, 1)
end
return epochs
