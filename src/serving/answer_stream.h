#pragma once

#include <string>
#include <vector>

namespace emend {

// The text of an answer that grows: what can be sent, and whether a stop text ends it. Held back
// are incomplete UTF-8 characters and what may be the beginning of a stop text.
class AnswerStream {
 public:
  explicit AnswerStream(std::vector<std::string> stop) : stop_(std::move(stop)) {}

  // Takes the whole text so far and returns what was not returned before. `last`: the text is
  // complete, and nothing is held back.
  std::string advance(const std::string& text, bool last);
  // Whether a stop text was found. The answer ends before it.
  bool stopped() const { return stopped_; }
  // Everything that was returned.
  const std::string& text() const { return sent_; }

 private:
  std::vector<std::string> stop_;
  std::string sent_;
  bool stopped_ = false;
};

}  // namespace emend
