-- Read the oldest entries of a cell's journal, for one reader at a time.
--
-- KEYS  1 journal   2 journaled: first (the index of the journal's first entry), holder, until, of (its archive),
--       as_of (SQL has all that was written in the cell before this instant)
-- ARGV  1 how many at most   2 the reader   3 for how long the reader leases the cell, ms   4 now, '' = ask the server
--       5 the archive that the cell must be bound to
-- The lease only saves work: the log itself takes each entry once, and a drop names its index.
-- Returns {index of the first entry, entries, now}; no entries where there are none, or another reader has the lease;
-- 'emptied' where the cell is not bound to that archive: it lost its data. SQL has all where there are none: it is noted

local NOTED_MS = 500 -- a look at an empty journal is written down so often at most, however many processes look
local now = now_of(ARGV[4])
local kept = redis.call("HMGET", KEYS[2], "first", "holder", "until", "of", "as_of")
if kept[4] ~= ARGV[5] then return "emptied" end
local first = kept[1] or "0"
if kept[2] and kept[2] ~= ARGV[2] and tonumber(kept[3]) > tonumber(now) then return { first, {}, now } end
local entries = redis.call("LRANGE", KEYS[1], 0, tonumber(ARGV[1]) - 1)
if #entries > 0 then
    redis.call("HSET", KEYS[2], "holder", ARGV[2], "until", string.format("%d", tonumber(now) + tonumber(ARGV[3])))
elseif math.abs(tonumber(now) - tonumber(kept[5] or 0)) >= NOTED_MS then
    redis.call("HSET", KEYS[2], "as_of", now)
end
return { first, entries, now }
