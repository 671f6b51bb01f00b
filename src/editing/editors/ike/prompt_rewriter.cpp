#include "editing/editors/ike/prompt_rewriter.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "editing/editors/memory/entries.h"
#include "io/error.h"

namespace emend {
namespace {

[[noreturn]] void reject_memory(const std::string& what) {
  throw Error("editing::ike", fmt::format("{} {}", kPatchMemory, what),
              "make the patch again with `emend edit --editor ike`");
}

std::string fact_text(const nlohmann::json& facts, const char* name) {
  if (!facts.is_object() || !facts.contains(name) || !facts.at(name).is_string())
    reject_memory(fmt::format("has an entry without '{}'", name));
  return facts.at(name).get<std::string>();
}

void append(std::vector<int64_t>& ids, const std::vector<int64_t>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

IkePromptRewriter::IkePromptRewriter(const Vlm& vlm, const Patch& patch)
    : vlm_(vlm), settings_(read_settings<IkeSettings>("ike", patch.settings)) {
  const auto& templates = settings_.templates;
  templates.check();
  const auto& entries = patch.memory.entries;
  const auto picture = [&](const MemoryEntry& entry, const std::string& name) -> int64_t {
    const auto found = entry.tensors.find(name);
    if (found == entry.tensors.end()) return -1;
    if (found->second.dim() < 3) reject_memory("contains a malformed picture tensor");
    pictures_.push_back(found->second);
    return static_cast<int64_t>(pictures_.size()) - 1;
  };

  std::vector<std::vector<Piece>> nearest;  // for each edit
  for (const auto& entry : entries) {
    const auto prompt = fact_text(entry.facts, "prompt"), target = fact_text(entry.facts, "target");
    const auto seen = picture(entry, "picture");
    facts_.push_back({seen, templates.format_fact(prompt, target)});
    if (settings_.copy_demonstration)
      own_.push_back({seen, templates.format_demonstration(copy_of(prompt, target))});
    if (!entry.facts.contains("demonstrations") || !entry.facts["demonstrations"].is_array())
      reject_memory("has an entry without 'demonstrations'");
    nearest.emplace_back();
    for (const auto& text : entry.facts["demonstrations"]) {
      if (!text.is_string()) reject_memory("has a demonstration that is not a text");
      const auto name = fmt::format("demonstration.{}", nearest.back().size());
      nearest.back().push_back({picture(entry, name), text.get<std::string>()});
    }
  }
  std::set<std::pair<std::string, bool>> known;
  const auto wanted = static_cast<size_t>(settings_.k);
  bool left = true;
  for (size_t rank = 0; left && demonstrations_.size() < wanted; ++rank) {
    left = false;
    for (const auto& of_edit : nearest) {
      if (rank >= of_edit.size()) continue;
      left = true;
      const auto& piece = of_edit[rank];
      if (demonstrations_.size() < wanted && known.insert({piece.text, piece.picture >= 0}).second)
        demonstrations_.push_back(piece);
    }
  }
  count_ = static_cast<int64_t>(demonstrations_.size() + own_.size() + facts_.size());

  const auto with = vlm.processor.tokenizer->encode("a", /*special=*/true);
  const auto without = vlm.processor.tokenizer->encode("a", /*special=*/false);
  head_.assign(with.begin(), with.end() - static_cast<int64_t>(without.size()));
}

IkePromptRewriter::Question IkePromptRewriter::parse_row(const Row& row) const {
  if (!row.segments.empty())
    throw Error("editing::ike", "rows with several segments cannot be rewritten",
                "this is an internal error; please report it");
  Question question;
  const auto& ids = row.ids;
  const auto end = row.prompt_length < 0 ? ids.end() : ids.begin() + row.prompt_length;
  const auto text = std::find_if(ids.begin(), end, [](int64_t id) { return id != kImageToken; });
  question.image_tokens.assign(ids.begin(), text);
  question.answer.assign(end, ids.end());
  const auto& tokenizer = *vlm_.processor.tokenizer;
  const std::vector<int64_t> asked(text, end);
  question.bos =
      asked.size() >= head_.size() && std::equal(head_.begin(), head_.end(), asked.begin());
  if (std::find(asked.begin(), asked.end(), kImageToken) == asked.end()) {
    auto plain = tokenizer.decode(asked);
    if (!plain.empty() && tokenizer.encode(plain, question.bos) == asked) {
      question.text = std::move(plain);
      return question;
    }
  }
  const auto head = std::mismatch(head_.begin(), head_.end(), asked.begin(), asked.end()).second;
  question.ids.assign(head, asked.end());
  return question;
}

IkePromptRewriter::ItemCounts IkePromptRewriter::item_counts(int64_t count) const {
  const auto size = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  ItemCounts shown{};
  shown.facts = std::min(count, size(facts_));
  shown.own = std::min(count - shown.facts, size(own_));
  shown.demonstrations = std::min(count - shown.facts - shown.own, size(demonstrations_));
  return shown;
}

Row IkePromptRewriter::build_row(const Question& question, const Row& row, int64_t count,
                                 int64_t pictures) const {
  constexpr int64_t kRowsOwn = -2;  // the pictures that the row already has
  const auto what = item_counts(count);
  std::vector<Piece> pieces;
  const auto add = [&](int64_t picture, const std::string& text) {
    if (picture == -1 && !pieces.empty())
      pieces.back().text += text;
    else
      pieces.push_back({picture, text});
  };
  // The pictures of the row come first, as in the original row; pictures of facts come before the
  // question.
  if (!settings_.images) add(kRowsOwn, "");
  for (int64_t i = 0; i < what.demonstrations; ++i)
    add(demonstrations_[i].picture, demonstrations_[i].text);
  for (const auto& [list, shown] : {std::pair{&own_, what.own}, std::pair{&facts_, what.facts}})
    for (auto piece = list->end() - shown; piece != list->end(); ++piece)
      add(piece->picture, piece->text);
  if (settings_.images) add(kRowsOwn, "");
  const auto [before, behind] = settings_.templates.around_question();
  add(-1, before);

  Row made;
  const auto& tokenizer = *vlm_.processor.tokenizer;
  bool special = question.bos;
  const auto write = [&](const std::string& text) {
    if (!text.empty()) append(made.ids, tokenizer.encode(text, special));
    special = special && text.empty();
  };
  for (const auto& piece : pieces) {
    if (piece.picture == kRowsOwn) {
      append(made.ids, question.image_tokens);
      made.images.insert(made.images.end(), row.images.begin(), row.images.end());
    } else if (piece.picture >= 0) {
      const auto& shown = pictures_[static_cast<size_t>(piece.picture)];
      made.ids.resize(made.ids.size() + vlm_.model->image_tokens(shown), kImageToken);
      made.images.push_back(pictures + piece.picture);
    }
    if (&piece != &pieces.back()) {
      write(piece.text);
    } else if (question.ids.empty()) {
      write(piece.text + question.text + behind);
    } else {
      write(piece.text);
      append(made.ids, question.ids);
      write(behind);
    }
  }
  append(made.ids, question.answer);
  return made;
}

int64_t IkePromptRewriter::largest_fitting_count(const Question& question, const Row& row) const {
  const auto answer = static_cast<int64_t>(question.answer.size());
  const auto most =
      vlm_.model->max_positions() - std::max(settings_.reserved_answer_tokens, answer) + answer;
  const auto size = [&](int64_t count) {
    return static_cast<int64_t>(build_row(question, row, count, 0).ids.size());
  };
  // Bisection in [fits, fails): `fits` items fit, `fails` items do not.
  int64_t fits = 0, fails = count_ + 1;
  for (int64_t next = count_; fits + 1 < fails; next = (fits + fails) / 2)
    (size(next) <= most ? fits : fails) = next;
  if (fits == 0)
    throw Error(
        "editing::ike",
        fmt::format("a question of {} positions leaves no space for the fact: the model has "
                    "{} positions, {} of which are reserved for the answer",
                    row.ids.size(), vlm_.model->max_positions(), settings_.reserved_answer_tokens),
        "shorten the question, or reserve fewer positions (--set reserved_answer_tokens=...)");
  return fits;
}

IkePromptRewriter::ItemCounts IkePromptRewriter::shown(const Row& row) const {
  return item_counts(largest_fitting_count(parse_row(row), row));
}

Batch IkePromptRewriter::rewrite(const Batch& batch) const {
  Batch made = batch;
  const auto pictures = batch.pixels.size();
  made.pixels.append(Pictures(pictures_));
  if (vlm_.model->num_image_tokens() != Model::kVariable && made.pixels.defined() &&
      !made.pixels.same_size())
    throw Error("editing::ike",
                "the pictures of the prompt have another size than the picture of the edit",
                "use demonstrations without pictures (--set images=false)");
  for (auto& row : made.rows) {
    const auto question = parse_row(row);
    row = build_row(question, row, largest_fitting_count(question, row), pictures);
  }
  return made;
}

}  // namespace emend
