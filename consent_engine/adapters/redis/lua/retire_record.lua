-- Delete a call, an ending or a report that the archive has, or nothing.
--
-- KEYS  1 the record   2 due-set of the timer lane   (both in one slot)
-- ARGV  1 its id   2 version that the archive has   3 the held effect   4 its lease: `<attempt>,<since when>`   5 the kind of
--       record, as members of the due-set begin with it   6... further members that go with it
-- Returns ok · gone (it is not here: done before) · stale (it changed since it was read) · lost (the effect is no
--         longer held)
--
-- Everything is checked before the first write: a script is isolated, but never rolled back.

local member = ARGV[5] .. ":" .. ARGV[1] .. ":" .. ARGV[3]
local kept = redis.call("HMGET", KEYS[1], "v", "f:" .. ARGV[3])
if not kept[1] then
    redis.call("ZREM", KEYS[2], member)
    return "gone"
end
if kept[1] ~= ARGV[2] then return "stale" end
if string.match(kept[2] or "", "^%[(%d+,[1-9]%d*),") ~= ARGV[4] then return "lost" end

-- From here on nothing can fail.
redis.call("DEL", KEYS[1])
redis.call("ZREM", KEYS[2], member, unpack(ARGV, 6))
return "ok"
