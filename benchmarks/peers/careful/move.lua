-- Save what a step decided on an order, if the order still has the version that was read, and a message only once.
-- KEYS: order, history, due, timers, counts of the day, funnel, message, open
-- ARGV: version that was read, state before, state after, entry of the history, step that is done, step that is due,
--       when, reminder at ('' leaves it, '0' ends it), window's end (the same), seconds that messages are kept,
--       '1' when the order ends, fields...
if ARGV[10] ~= '0' and redis.call('EXISTS', KEYS[7]) == 1 then
    return 'repeated'
end
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then
    return 'stale'
end
local id = string.match(KEYS[1], ':(.*)')
if ARGV[10] ~= '0' then
    redis.call('SET', KEYS[7], id, 'EX', ARGV[10])
end
redis.call('HSET', KEYS[1], 'version', tonumber(ARGV[1]) + 1, 'state', ARGV[3], unpack(ARGV, 12))
redis.call('RPUSH', KEYS[2], ARGV[4])
if ARGV[5] ~= '' then
    redis.call('ZREM', KEYS[3], ARGV[5])
end
if ARGV[6] ~= '' then
    redis.call('ZADD', KEYS[3], ARGV[7], ARGV[6])
end
for n, name in ipairs({'reminder', 'window'}) do
    local at = ARGV[7 + n]
    if at == '0' then
        redis.call('ZREM', KEYS[4], name .. ' ' .. id)
    elseif at ~= '' then
        redis.call('ZADD', KEYS[4], at, name .. ' ' .. id)
    end
end
if ARGV[2] ~= ARGV[3] then
    redis.call('HINCRBY', KEYS[5], ARGV[3], 1)
    redis.call('HINCRBY', KEYS[6], ARGV[2], -1)
    redis.call('HINCRBY', KEYS[6], ARGV[3], 1)
end
if ARGV[11] == '1' then
    redis.call('DEL', KEYS[8])
end
return 'saved'
