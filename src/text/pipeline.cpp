#include "pipeline.hpp"

#include "../core/utf8.hpp"

namespace plumb::inline PLUMB_ABI {

void Pipeline::encode(std::string_view text, const EncodeOptions& options, std::vector<Token>& out) const {
  std::string repaired;
  if (repairs_utf8) text = valid_utf8(text, repaired);
  if (options.add_special) out.insert(out.end(), before.begin(), before.end());
  added.cut_raw(text, options.parse_special, [&](std::string_view part, Token token) {
    if (token != kNoToken)
      out.push_back(token);
    else
      encode_stretch(part, part.data() == text.data(), options.parse_special, out);
  });
  if (options.add_special && options.add_end) out.insert(out.end(), after.begin(), after.end());
}

void Pipeline::encode_stretch(std::string_view text, bool at_begin, bool parse_special, std::vector<Token>& out) const {
  Normalizer::Storage storage;
  bool keeps_begin = true;
  const std::string_view normal = normalizer.run(text, storage, keeps_begin);
  added.cut_normalized(normal, parse_special, [&](std::string_view part, Token token) {
    if (token != kNoToken) {
      out.push_back(token);
      return;
    }
    WordList list(part, at_begin && keeps_begin && part.data() == normal.data());
    pretokenizer.run(list);
    model->encode(list.words, out);
  });
}

}  // namespace plumb
