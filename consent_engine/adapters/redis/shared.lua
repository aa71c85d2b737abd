-- Put before the text of each script in lua/: how they read a line.

local function row_in(kept) -- a list as kept, nil where it cannot be read
    local is_read, row = pcall(cjson.decode, kept)
    return is_read and type(row) == "table" and row or nil
end
local function over(restriction, now) -- whether it has ended: a line keeps it for days
    local ends = restriction and tonumber(restriction[9]) or 0
    return ends > 0 and ends <= now
end
local function awaits_parts(line) -- of a reply; one that is whole, or was given up, is only known for a day
    if redis.call("HEXISTS", line, "f:wake.parts") == 0 then return false end
    local fields = redis.call("HGETALL", line)
    for i = 1, #fields, 2 do
        if string.sub(fields[i], 1, 2) == "p:" then
            local row = row_in(fields[i + 1])
            if not row or row[6] == 0 then return true end
        end
    end
    return false
end
