-- Put before the text of each script in lua/: how they read a line.

local function row_in(kept) -- a list as kept, nil where it cannot be read
    local is_read, row = pcall(cjson.decode, kept)
    return is_read and type(row) == "table" and row or nil
end
local function over(restriction, now) -- whether it has ended: a line keeps it for days
    local ends = restriction and tonumber(restriction[9]) or 0
    return ends > 0 and ends <= now
end
