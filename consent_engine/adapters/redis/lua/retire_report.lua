-- Delete a report that the archive has, or nothing.
--
-- KEYS  1 report   2 reports   3 reports that have a person part   4 reports that are answered   (all in one slot)
-- ARGV  1 report id   2 version that the archive has
-- Returns ok · gone (it is not here: done before) · stale (it changed since it was read)
--
-- Everything is checked before the first write: a script is isolated, but never rolled back.

local version = redis.call("HGET", KEYS[1], "v")
if version and version ~= ARGV[2] then return "stale" end

-- From here on nothing can fail.
redis.call("DEL", KEYS[1])
for n = 2, 4 do redis.call("ZREM", KEYS[n], ARGV[1]) end
return version and "ok" or "gone"
