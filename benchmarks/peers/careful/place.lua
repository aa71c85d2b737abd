-- Save a new order, once for each Idempotency-Key, unless its number refused or has an open order of the plan.
-- KEYS: key, order, open, refused, number, history, due, counts of the day, funnel
-- ARGV: id, digest of the request, seconds that keys are kept, entry of the history, step that is due, when, fields...
local known = redis.call('GET', KEYS[1])
if known then
    return {string.sub(known, 1, #ARGV[2]) == ARGV[2] and 'same' or 'conflict', string.sub(known, #ARGV[2] + 2)}
end
if redis.call('EXISTS', KEYS[4]) == 1 then
    return {'refused', ''}
end
local other = redis.call('GET', KEYS[3])
if other then
    return {'duplicate', other}
end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1], 'EX', ARGV[3])
redis.call('SET', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[2], unpack(ARGV, 7))
redis.call('RPUSH', KEYS[6], ARGV[4])
redis.call('RPUSH', KEYS[5], ARGV[1])
redis.call('ZADD', KEYS[7], ARGV[6], ARGV[5])
redis.call('HINCRBY', KEYS[8], 'agreed', 1)
redis.call('HINCRBY', KEYS[9], 'agreed', 1)
return {'new', ARGV[1]}
