#include "text/strings.h"

#include <utility>

namespace emend::text {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t done = 0;
  for (size_t at; (at = text.find(from, done)) != std::string_view::npos; done = at + from.size())
    out.append(text, done, at - done) += to;
  return out.append(text, done);
}

std::string clean_up_tokenization(std::string text) {
  for (const auto& [from, to] : {std::pair{" .", "."},
                                 {" ?", "?"},
                                 {" !", "!"},
                                 {" ,", ","},
                                 {" ' ", "'"},
                                 {" n't", "n't"},
                                 {" 'm", "'m"},
                                 {" 's", "'s"},
                                 {" 've", "'ve"},
                                 {" 're", "'re"}})
    if (text.find(from) != std::string::npos) text = replace_all(text, from, to);
  return text;
}

}  // namespace emend::text
