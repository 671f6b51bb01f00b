#include "evaluation/edits/earlier_edits.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "evaluation/edits/edit_job.h"
#include "io/error.h"

namespace emend {
namespace {

using nlohmann::json;

// Pictures are read for one batch at a time, so that memory does not grow with their number.
constexpr size_t kPicturesAtOnce = 16;
constexpr size_t kTextsAtOnce = 64;

std::string text_field(const json& request, const char* name) {
  if (!request.is_object()) return {};
  const auto found = request.find(name);
  return found != request.end() && found->is_string() ? found->get<std::string>() : std::string();
}

EarlierEdit earlier_edit(const Patch& patch, const json& request) {
  EarlierEdit edit;
  edit.patch = patch.id;
  edit.image = text_field(request, "image");
  edit.prompt = text_field(request, "prompt");
  edit.target = text_field(request, "target");
  if (edit.prompt.empty() || edit.target.empty())
    edit.problem = "the patch does not store its prompt and target";
  return edit;
}

// Asks the questions of a batch. An edit whose picture cannot be read is left out.
void ask_batch(const Vlm& vlm, std::vector<EarlierEdit>& edits, const std::vector<size_t>& batch,
               const Interventions& interventions, ActivationStore* store,
               std::vector<std::string>& answers) {
  std::vector<Query> queries;
  std::vector<size_t> asked;
  GenerationOptions options;
  for (auto index : batch) {
    auto& edit = edits[index];
    try {
      const bool sees = !edit.image.empty();
      queries.push_back({sees ? std::optional(read_image(edit.image)) : std::nullopt, edit.prompt});
    } catch (const Error& error) {
      edit.problem = without_places(error.what());
      continue;
    }
    asked.push_back(index);
    options.max_new_tokens = std::max(options.max_new_tokens, answer_room(vlm, edit.target));
  }
  if (queries.empty()) return;
  const auto texts = generate(vlm, queries, interventions, options, store);
  for (size_t i = 0; i < asked.size(); ++i) answers[asked[i]] = texts[i];
}

}  // namespace

std::vector<EarlierEdit> earlier_edits(const std::vector<Patch>& patches) {
  std::vector<EarlierEdit> edits;
  for (const auto& patch : patches) {
    const auto& request = patch.request;
    for (const auto& one : request.is_array() ? request : json::array({request}))
      edits.push_back(earlier_edit(patch, one));
  }
  return edits;
}

std::vector<std::string> ask_again(const Vlm& vlm, std::vector<EarlierEdit>& edits,
                                   const Interventions& interventions, ActivationStore* store) {
  std::vector<std::string> answers(edits.size());
  for (bool pictures : {true, false}) {
    std::vector<size_t> batch;
    auto flush = [&] {
      ask_batch(vlm, edits, batch, interventions, store, answers);
      batch.clear();
    };
    for (size_t i = 0; i < edits.size(); ++i) {
      if (!edits[i].problem.empty() || edits[i].image.empty() == pictures) continue;
      batch.push_back(i);
      if (batch.size() == (pictures ? kPicturesAtOnce : kTextsAtOnce)) flush();
    }
    flush();
  }
  return answers;
}

bool same_picture(const std::string& a, const std::string& b) {
  std::error_code error;
  return a == b || (!a.empty() && !b.empty() && std::filesystem::equivalent(a, b, error));
}

json to_json(const EarlierEdit& edit) {
  auto or_null = [](const std::string& text) { return text.empty() ? json() : json(text); };
  json result = {{"patch", edit.patch},
                 {"image", or_null(edit.image)},
                 {"prompt", edit.prompt},
                 {"target", edit.target}};
  if (!edit.problem.empty()) {
    result["problem"] = edit.problem;
    return result;
  }
  result.update({{"before", edit.before},
                 {"after", edit.after},
                 {"held", edit.held},
                 {"holds", edit.holds},
                 {"replaced", edit.replaced},
                 {"lost", edit.lost()}});
  return result;
}

}  // namespace emend
