// Checking a spiece.model before SentencePiece's library reads it.
//
// The file is a protobuf message (sentencepiece_model.proto). The library trusts what is in it: a
// damaged table of its normaliser makes it read outside the table, and some mistakes end the
// process. Whatever passes here is safe to give it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lait {

// The texts of the model's pieces, by id. Throws UserError, beginning with `where`, for what is no
// SentencePiece model, is damaged, or is of another type than Unigram.
std::vector<std::string> checked_pieces(std::string_view model, const std::string& where);

// The model with normalizer_spec.add_dummy_prefix false: no space is put before texts.
std::string without_dummy_prefix(std::string model);

}  // namespace lait
