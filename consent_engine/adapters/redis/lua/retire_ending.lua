-- Let an ending go whose time is over, or its person part alone.
--
-- KEYS  1 ending   2 due-set of the timer lane   3 endings that are not over   (all in one slot)
-- ARGV  1 ending id   2 the held effect   3 its token (the attempt)
--       4 '1': all of it goes   5 '1': its person part goes   6 when it is looked at again, where it stays
-- Returns ok · gone (it is not here: done before) · lost (the effect is not held any more)
--
-- Everything is checked before the first write: a script is isolated, but never rolled back.

local member, held = "e:" .. ARGV[1] .. ":" .. ARGV[2], "f:" .. ARGV[2]
local kept = redis.call("HMGET", KEYS[1], "v", held)
if not kept[1] then
    redis.call("ZREM", KEYS[2], member)
    return "gone"
end
local attempts, leased_at = string.match(kept[2] or "", "^%[(%d+),(%d+)")
if attempts ~= ARGV[3] or leased_at == "0" then return "lost" end

-- From here on nothing can fail.
if ARGV[4] == "1" then
    redis.call("DEL", KEYS[1])
    redis.call("ZREM", KEYS[2], member)
    redis.call("ZREM", KEYS[3], ARGV[1])
    return "ok"
end
if ARGV[5] == "1" then redis.call("HDEL", KEYS[1], "who") end
redis.call("HSET", KEYS[1], "v", string.format("%d", tonumber(kept[1]) + 1), held, "[]")
redis.call("ZADD", KEYS[2], ARGV[6], member)
return "ok"
