// Fuzz targets of files that are no task's: gzip files, WordNet's database.
#include <gmock/gmock.h>
#include <zlib.h>

#include <fstream>

#include "lait/base/files.h"
#include "tests/base/temporary_folder.h"
#include "tests/fuzz/fuzz.h"
#include "train/wordnet.h"
#include "train/wordnet_nouns.h"

namespace lait {
namespace {

TEST(Fuzz, GzipLines) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::to_string(i * 7919) + "\n";
  std::vector<std::string> seeds;
  for (const char* mode : {"wb9", "wb1", "wb0"}) {
    const std::string path = (folder / "seed.gz").string();
    gzFile file = gzopen(path.c_str(), mode);
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    std::ifstream in(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  seeds.push_back(seeds[0] + seeds[1]);  // concatenated members are one file
  fuzz(Mutator(seeds, {"\x1f\x8b", "\x1f\x8b\x08", std::string(8, '\0')}),
       [&](const std::string& bytes) {
         const auto path = folder.write("a.gz", bytes);
         if (bytes.size() % 2 == 0) {  // damaged content with a correct checksum
           gzFile file = gzopen(path.c_str(), "wb");
           gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
           gzclose(file);
         }
         LineReader reader(path);
         while (reader.next()) continue;
       });
}

TEST(Fuzz, WordNetNouns) {
  const TemporaryFolder folder;
  const char* const kNouns =
      "  1 This software and database is being provided to you\n"
      "00001740 03 n 01 entity 0 001 ~ 00001930 n 0000 | that which is perceived\n"
      "00001930 03 n 01 physical_entity 0 002 @ 00001740 n 0000 ~ 00002137 n 0000 | an entity that "
      "has physical existence; \"x\"\n"
      "00002137 03 n 02 abstraction 0 abstract_entity 0 001 @ 00001930 n 0000 | a general concept "
      "formed by extracting\n";
  fuzz(Mutator({kNouns}, {" @ ", " @i ", " ~ ", "00001740", "00002137", " | ", " n 0000", "ff"}),
       [&](const std::string& bytes) {
         folder.write("data.noun", bytes);
         read_nouns(folder.path());
         make_wordnet_examples({.database = folder.path()});
       });
}

}  // namespace
}  // namespace lait
