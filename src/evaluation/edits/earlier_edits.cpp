#include "evaluation/edits/earlier_edits.h"

#include <algorithm>
#include <filesystem>

#include "evaluation/edits/batched_answers.h"
#include "evaluation/edits/edit_job.h"
#include "io/error.h"

namespace emend {
namespace {

using nlohmann::json;

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
  try {
    if (!edit.image.empty()) read_image(edit.image);
  } catch (const Error& error) {
    edit.problem = without_places(error.what());
  }
  return edit;
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

std::vector<std::string> ask_again(const Vlm& vlm, const std::vector<EarlierEdit>& edits,
                                   const Interventions& interventions, ActivationStore* store) {
  std::vector<PictureQuestion> questions;
  std::vector<size_t> asked;
  GenerationOptions options;
  for (size_t i = 0; i < edits.size(); ++i) {
    if (!edits[i].problem.empty()) continue;
    questions.push_back({{edits[i].image, nullptr}, edits[i].prompt});
    asked.push_back(i);
    options.max_new_tokens =
        std::max(options.max_new_tokens, max_answer_tokens(vlm, edits[i].target));
  }
  std::vector<std::string> answers(edits.size());
  auto texts = batched_answers(vlm, questions, interventions, options, store);
  for (size_t i = 0; i < asked.size(); ++i) answers[asked[i]] = std::move(texts[i]);
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
