-- Pause a lane or a gateway, or resume it; the event is kept with it, in one step.
--
-- KEYS  1 the pauses   2 the events, a stream
-- ARGV  1 the lane or gateway   2 its pause as kept, '' = resume   3 the event   4 about how many events are kept
--       5 the request (random)   6 among how many of the newest events a repeat of it is searched for
-- Returns the pause before, '' for none. A target already paused or running as asked stays as it is, without an event.
-- A repeat changes nothing, whatever others asked for meanwhile, and is answered as the first time.

for _, entry in ipairs(redis.call("XREVRANGE", KEYS[2], "+", "-", "COUNT", ARGV[6])) do
    if entry[2][4] == ARGV[5] then
        -- So that WAITAOF on this connection proves the first write too.
        redis.call("XDEL", KEYS[2], redis.call("XADD", KEYS[2], "*", "m", ""))
        return entry[2][6]
    end
end
local was = redis.call("HGET", KEYS[1], ARGV[1]) or ""
if (ARGV[2] == "") == (was == "") then return was end
if ARGV[2] == "" then
    redis.call("HDEL", KEYS[1], ARGV[1])
else
    redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
end
redis.call("XADD", KEYS[2], "MAXLEN", "~", ARGV[4], "*", "m", ARGV[3], "of", ARGV[5], "was", was)
return was
