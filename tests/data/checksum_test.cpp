// Checksums of examples and data sets: any difference in any example changes the checksum.
#include <gtest/gtest.h>

#include <functional>

#include "lait/data/dataset.h"
#include "tests/data/letters_tokenizer.h"

namespace lait {
namespace {

std::vector<Example> five_examples() {
  std::vector<Example> examples(5);
  for (size_t i = 0; i < examples.size(); ++i) {
    examples[i].segments = {std::string(i + 1, 'a'), "bc"};
    examples[i].label = ClassLabel{static_cast<int64_t>(i % 2)};
  }
  return examples;
}

uint32_t data_set_checksum(const std::vector<Example>& examples) {
  return Dataset(examples, LettersTokenizer(), {}).checksum();
}

// Also without groups: zlib starts over when it gets an empty vector's null pointer.
TEST(Checksum, EveryChangeOfEveryExampleIsSeen) {
  const std::function<void(Example&)> changes[] = {
      [](Example& e) { e.segments[0] += "c"; },      [](Example& e) { e.segments[1] = "cb"; },
      [](Example& e) { e.segments.push_back("a"); }, [](Example& e) { e.segments.pop_back(); },
      [](Example& e) { e.groups = {0, 1}; },         [](Example& e) { e.label = ClassLabel{7}; }};
  const auto examples = five_examples();
  EXPECT_EQ(checksum(examples), checksum(five_examples()));
  EXPECT_EQ(data_set_checksum(examples), data_set_checksum(five_examples()));
  for (size_t i = 0; i < examples.size(); ++i) {
    for (const auto& change : changes) {
      auto changed = examples;
      change(changed[i]);
      EXPECT_NE(checksum(changed), checksum(examples)) << i;
      EXPECT_NE(data_set_checksum(changed), data_set_checksum(examples)) << i;
    }
  }
  auto swapped = examples;
  std::swap(swapped[1], swapped[3]);  // of the same label
  EXPECT_NE(checksum(swapped), checksum(examples));
  EXPECT_NE(data_set_checksum(swapped), data_set_checksum(examples));
}

TEST(Checksum, OfExamplesIsOfWhatWasWritten) {
  auto examples = five_examples(), numbered = examples;
  for (Example& example : examples)
    example.label_text = example.label == Label(ClassLabel{0}) ? "no" : "yes";
  numbered = examples;
  for (Example& example : numbered) {
    // Another checkpoint numbers the labels differently.
    example.label = ClassLabel{1 - std::get<ClassLabel>(example.label).index};
    example.id.assign(1, 'x');  // = "x" makes GCC 12 warn falsely
  }
  EXPECT_EQ(checksum(numbered), checksum(examples));
}

}  // namespace
}  // namespace lait
