-- Give up to n due effects of one lane to a worker for a while.
--
-- KEYS  1 due-set of the lane
-- ARGV  1 now, '' = ask the server   2 n   3 length of the lease, ms   4 prefix of the records' names
--       5 how many unread messages of a line to hand out
-- Record keys are built from due members: they carry the same tag, so the same slot.
-- A member is `o:<order>:<effect>` or `l:<line>:<effect>`; a leased one has its score pushed to the lease's end.
-- An effect whose stamp is still set lost its lease: whoever had it died or was too slow. It is handed out with the
-- mark `lost`, and its last_at and first_at stay those of the call that may have been made.
-- Returns {now, {member, effect after leasing, '1' if lost, record, unread}, ...}

local now = ARGV[1]
if now == "" then
    local time = redis.call("TIME")
    now = string.format("%d", time[1] * 1000 + math.floor(time[2] / 1000))
end
local at, deadline = tonumber(now), tonumber(now) + tonumber(ARGV[3])
local leased = { now }
for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[2])) do
    local owner, id, effect = string.match(member, "^(%a):([^:]+):(.+)$")
    local key = ARGV[4] .. (owner == "o" and "order:" or "line:") .. (id or "")
    local kept = effect and redis.call("HGET", key, "f:" .. effect)
    local readable, row = pcall(cjson.decode, kept or "[]")
    if not kept then
        redis.call("ZREM", KEYS[1], member) -- dropped with its order: nothing is wanted any more
    elseif not readable or type(row) ~= "table" then
        redis.call("ZADD", KEYS[1], "+inf", member) -- one effect nobody can read must not stop its lane
    else
        local function get(i, default)
            if row[i] == nil then return default end
            return row[i]
        end
        local lost = get(2, 0) ~= 0
        local doubts, first_at, last_at = get(3, 0), get(4, 0), get(5, 0)
        if not lost then
            last_at = at
            if doubts == 0 then first_at = at end
        end
        local after = {
            get(1, 0) + 1, at, doubts, first_at, last_at, get(6, ""), get(7, ""), get(8, 0)
        }
        -- Written by hand: cjson would print instants in scientific notation.
        local text = string.format("[%d,%d,%d,%d,%d,%s,%s,%d", after[1], after[2], after[3], after[4], after[5],
            cjson.encode(after[6]), cjson.encode(after[7]), after[8])
        if row[9] ~= nil then text = text .. "," .. cjson.encode(row[9]) end
        text = text .. "]"
        redis.call("HSET", key, "f:" .. effect, text)
        redis.call("ZADD", KEYS[1], deadline, member)
        local unread = {}
        if effect == "read" then
            unread = redis.call("LRANGE", ARGV[4] .. "inbox:" .. id, 0, tonumber(ARGV[5]) - 1)
        end
        leased[#leased + 1] = { member, text, lost and "1" or "0", redis.call("HGETALL", key), unread }
    end
end
return leased
