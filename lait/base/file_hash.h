// The contents of files in a hash.
#pragma once
#include <filesystem>

#include "lait/base/content_hash.h"

namespace lait {

// Adds the bytes of a file as they are on the disk, or of the files of a folder with their names,
// in the order of these; not of folders in it. False if they cannot be read twice: it is a pipe.
bool add_file(ContentHash& hash, const std::filesystem::path& file);

}  // namespace lait
