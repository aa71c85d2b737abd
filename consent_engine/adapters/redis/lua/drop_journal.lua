-- Remove entries from a cell's journal that the log has.
--
-- KEYS  1 journal   2 journaled: first, the index of the journal's first entry; as_of
-- ARGV  1 index of the first entry to remove   2 how many   3 as_of: SQL has all that was written before it; 0: not known
-- The reader's lease ends: whoever comes next may read on.
-- A slow caller names an index that is gone: no entry is removed that was not read.
-- Returns 1, or 0 when another caller removed them, or there are not so many

local first, count = redis.call("HGET", KEYS[2], "first") or "0", tonumber(ARGV[2])
if first ~= ARGV[1] or redis.call("LLEN", KEYS[1]) < count then return 0 end
redis.call("LPOP", KEYS[1], count)
redis.call("HSET", KEYS[2], "first", string.format("%d", tonumber(first) + count))
if ARGV[3] ~= "0" then redis.call("HSET", KEYS[2], "as_of", ARGV[3]) end
redis.call("HDEL", KEYS[2], "holder", "until")
return 1
