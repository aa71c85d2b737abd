-- Count a code of the public door of reports, unless as many were asked for as may be: looked at and counted in one step,
-- so that requests that come together have no more than those that come one after another.
--
-- KEYS  1 the codes of this hour (hash)
-- ARGV  1 the network that asks, as a keyed hash   2 how many codes all have   3 from how many on fewer are left for one
--       4 how many one network has before that   5 and from then on   6 how long they are kept (s)
-- Returns 'ok', 'network' where that has had its share (nothing is counted), 'all' where all are used up. What comes once
-- all are used up is counted once, which says so to who watches the figure.

local call = redis.call
local seen = call("HMGET", KEYS[1], "asked", ARGV[1])
local sent, to_it, most = tonumber(seen[1] or "0"), tonumber(seen[2] or "0"), tonumber(ARGV[2])
if sent > most then return "all" end
if to_it >= tonumber(sent < tonumber(ARGV[3]) and ARGV[4] or ARGV[5]) then return "network" end
call("HINCRBY", KEYS[1], "asked", 1)
call("HINCRBY", KEYS[1], ARGV[1], 1)
call("EXPIRE", KEYS[1], ARGV[6])
return sent + 1 > most and "all" or "ok"
