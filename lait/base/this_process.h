// What other processes, and people, call this one.
#pragma once
#include <string>

namespace lait {

std::string host_name();
// "pid 1234 on host"
std::string this_process();

}  // namespace lait
