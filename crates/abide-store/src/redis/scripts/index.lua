#!lua
-- Puts objects into an index that was declared: an object whose commit is no longer the one that was
-- read has put itself there.
local tag, kinds, path = ARGV[1], ARGV[2], ARGV[3]
for i = 4, #ARGV, 3 do
  local id, commit, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local object = tag .. ':o:' .. kinds .. ':' .. id
  if redis.call('HGET', object, '@commit') == commit then
    local old = redis.call('HGET', object, '@ix:' .. path)
    local index = tag .. ':x:' .. kinds .. ':' .. path
    if old and old ~= value then redis.call('ZREM', index, old .. id) end
    redis.call('ZADD', index, 0, value .. id)
    redis.call('HSET', object, '@ix:' .. path, value)
  end
end
return 0
