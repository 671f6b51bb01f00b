#include "editing/tracing/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "editing/tracing/corruption.h"
#include "editing/tracing/restored_runs.h"
#include "io/error.h"
#include "io/strings/blank.h"
#include "models/caching/prefix.h"
#include "models/prompting/image_batch.h"

namespace emend {
namespace {

constexpr const char* kTracePlace = "editing::trace";

// What is corrupted, after `auto`; none: nothing.
struct ChosenCorruptions {
  std::string text, image;
};

ChosenCorruptions chosen_corruptions(const Vlm& vlm, const TraceQuery& query,
                                     const TraceOptions& options) {
  ChosenCorruptions chosen{options.text, options.image};
  const bool names = !is_blank(query.subject), sees = query.image.present();
  if (chosen.text == "auto") chosen.text = names ? "noise" : "none";
  if (chosen.image == "auto") chosen.image = sees ? "gray" : "none";
  if (chosen.text != "none" && !names)
    throw Error(kTracePlace, "no subject is given, so no words can be corrupted",
                "name words of the prompt (--subject WORDS), or use --set text=none");
  if (sees && !vlm.model->reads_pictures())
    throw Error(kTracePlace, "this model reads text only and does not accept pictures",
                "omit the picture, or use a vision-language model");
  if (chosen.image != "none" && !sees)
    throw Error(kTracePlace, "there is no picture to corrupt",
                "give a picture (--image FILE), or use --set image=none");
  if (chosen.text == "none" && chosen.image == "none")
    throw Error(kTracePlace, "nothing is corrupted, so there is nothing to trace",
                "give a picture (--image FILE), or name the subject (--subject WORDS)");
  return chosen;
}

void check_base(const Interventions& base) {
  for (const auto& edit : base)
    if (edit.point != Point::weight || !edit.rows.empty())
      throw Error(kTracePlace, "an earlier edit changes more than weights",
                  "trace without the patches of serac and ike");
}

TracedRow traced_prompt(const Vlm& vlm, const TraceQuery& query) {
  TracedRow traced;
  if (query.image.present()) {
    ImageBatch pictures;
    traced.tiles = vlm.processor.tiles(query.image.load());
    traced.row = pictures.row(vlm.processor, query.prompt, {pictures.add(traced.tiles)});
  } else {
    traced.row = vlm.processor.row(query.prompt);
  }
  traced.row.prompt_length = static_cast<int64_t>(traced.row.ids.size());
  return traced;
}

std::vector<int64_t> greedy_answer(const Vlm& vlm, const TracedRow& traced,
                                   const TraceOptions& options, const TraceContext& context) {
  const Batch batch{traced.tiles.pixels, {traced.row}};
  GenerationOptions generation;
  generation.max_new_tokens = options.max_new_tokens;
  const auto& model = *vlm.model;
  auto pass = forward_until(vlm, batch, model.first_stage(Module::language), context.base,
                            context.store, PadSide::left);
  auto answer = generate_tokens(model, std::move(pass), vlm.processor.stop_tokens, context.base,
                                with_folder_settings(generation, vlm, batch))
                    .at(0);
  if (answer.empty())
    throw Error(kTracePlace, "the model's answer is empty", "give an answer to trace (--target)");
  return answer;
}

std::vector<std::string> notes_of(const Model& model, const TraceQuery& query,
                                  const TraceOptions& options, const TraceResult& result) {
  std::vector<std::string> notes;
  int64_t parts = 0;  // of the map with the fewest parts
  for (const auto& runs : result.runs)
    for (const auto& map : runs.maps)
      if (const auto own = map.picture_parts(); own > 0 && (parts == 0 || own < parts)) parts = own;
  if (parts > 0 && parts < options.grid * options.grid)
    notes.push_back(
        fmt::format("Only {} of the {} parts of the grid contain image tokens or patches, so the "
                    "others show the effect of the nearest part; use a smaller grid.",
                    parts, options.grid * options.grid));
  if (options.grid > 0 && query.image.present() && !has_image_token_places(model)) {
    const std::string queries =
        "The image tokens of this model are query tokens, which have no place in the picture; ";
    notes.push_back(queries + (parts > 0 ? "the grid over it is that of the vision tower's patches."
                                         : "trace the vision tower with image=gray, swap or "
                                           "pixel_noise for a grid over it."));
  }
  for (const auto& runs : result.runs) {
    if (runs.reversible < 1)
      notes.push_back(
          fmt::format("The corruption of the {} cannot be undone: restoring all states at the "
                      "first layer gives "
                      "the answer a probability of {:.3f}, but the clean run {:.3f}.",
                      runs.corrupted == "text" ? "subject" : "picture", runs.restored.probability,
                      runs.clean.probability));
    if (runs.total_effect() < options.tolerance)
      notes.push_back(fmt::format(
          "The corruption of the {} does not make the answer less likely, so its map shows no "
          "location.",
          runs.corrupted == "text" ? "subject" : "picture"));
  }
  return notes;
}

}  // namespace

TraceResult trace(const Vlm& vlm, const TraceQuery& query, const TraceOptions& options,
                  const TraceContext& context) {
  at::NoGradGuard no_grad;
  const auto chosen = chosen_corruptions(vlm, query, options);
  check_base(context.base);
  const auto& model = *vlm.model;
  const auto components = options.component_list();  // reports errors before the model runs
  const auto modules = options.module_list();

  auto traced = traced_prompt(vlm, query);
  traced.answer = is_blank(query.target) ? greedy_answer(vlm, traced, options, context)
                                         : vlm.processor.target(query.target);
  traced.row.ids.insert(traced.row.ids.end(), traced.answer.begin(), traced.answer.end() - 1);
  PictureGrid grid;
  if (traced.has_picture() && has_image_token_places(model))
    grid = PictureGrid::of(options.grid, model, traced.tiles,
                           model.image_tokens(traced.tiles.pixels[0]));
  const auto question = is_blank(query.question) ? query.prompt : query.question;
  const auto groups = token_groups(vlm, traced.row, question, query.subject, grid);

  TraceResult result;
  result.prompt = query.prompt;
  result.subject = query.subject;
  result.target = answer_text(vlm.processor, traced.answer);
  if (is_blank(query.target)) result.answer = result.target;
  result.grid = traced.has_picture() ? options.grid : 0;
  const auto add = [&](const char* corrupted, const std::string& kind, const CorruptedRuns& runs) {
    TraceRuns own;
    own.corrupted = corrupted;
    own.kind = kind;
    RestoredRuns restored(vlm, traced, runs, options, context);
    if (!std::isfinite(restored.clean().log_probability))
      throw Error(kTracePlace, "the answer's probability is not a number",
                  "check the weights, or use --dtype fp32");
    restored.run(groups, own);
    result.clean = restored.clean();
    result.runs.push_back(std::move(own));
  };
  if (chosen.image != "none")
    add("image", chosen.image, corrupt_image(vlm, traced, chosen.image, query, options, context));
  if (chosen.text != "none") {
    const auto subject = std::find_if(groups.begin(), groups.end(),
                                      [](const auto& group) { return group.name == "subject"; });
    add("text", chosen.text,
        corrupt_text(vlm, traced, subject->positions, chosen.text, query, options, context));
  }
  const bool restores = std::any_of(result.runs.begin(), result.runs.end(),
                                    [](const TraceRuns& runs) { return !runs.maps.empty(); });
  if (!restores)
    throw Error(
        kTracePlace,
        fmt::format("no state of '{}' can be restored: {}", options.modules,
                    traced.has_picture() ? "the corruption does not change these modules"
                                         : "a question without a picture does not reach them"),
        traced.has_picture()
            ? "also trace the language module (--set modules=language), or corrupt "
              "the picture itself (--set image=gray)"
            : "give a picture (--image FILE), or use --set modules=language");
  result.notes = notes_of(model, query, options, result);
  return result;
}

}  // namespace emend
