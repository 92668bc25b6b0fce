#!lua
-- Tells a part that all rows are in, and leaves a trace that it was told: 'L' if rows are gone that were in.
local meta = ARGV[1] .. ':meta'
local found = redis.call('HMGET', meta, 'import', 'imported', 'ended')
if found[3] == ARGV[2] then return { 'D' } end
if found[1] ~= ARGV[2] or tonumber(found[2] or '0') < tonumber(ARGV[3]) then return { 'L' } end
redis.call('HSET', meta, 'ended', ARGV[2])
redis.call('HDEL', meta, 'import', 'imported')
return { 'D' }
