// The terminal that a program writes to: how wide it is, and whether a line on it can be drawn anew. No program colours
// anything, so NO_COLOR has nothing to turn off.
#pragma once
#include <cstddef>
#include <optional>
#include <string>

namespace lait {

// Columns of the terminal behind a file descriptor. COLUMNS wins where it is set to a number below 10,000; nullopt for a pipe
// or file without it.
std::optional<size_t> terminal_width(int descriptor);

// Writes to standard error. What cannot be shown (a full disk behind it, nobody reading) stops no program.
void show(const std::string& text);

// Standard error is a terminal that can go back in a line and erase it (TERM is not dumb).
bool redraws_lines();

}  // namespace lait
