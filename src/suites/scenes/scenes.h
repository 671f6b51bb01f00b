#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "io/image/image.h"
#include "suites/record.h"

namespace emend::scenes {

// The bundled generator of scenes. Everything about a scene is known, so every question has a
// correct answer.

inline constexpr int kPlaces = 9;  // 3 x 3, row by row: top left, top, top right, left, center, ...

const std::vector<std::string>& shapes();       // 6
const std::vector<std::string>& colors();       // 8
const std::vector<std::string>& sizes();        // small, large
const std::vector<std::string>& places();       // 9
const std::vector<std::string>& backgrounds();  // 6
// A creature of the world: its appearance, and facts about it.
struct Creature {
  std::string name;
  // The appearance (indices into lists of the renderer); any two creatures differ in two or more.
  int body, color, ears, eyes, pattern;
  // Facts that only texts have.
  std::string home, food, hobby;
  int friend_of;  // index of another creature
};
const std::vector<Creature>& creatures();  // 48

// An object of a scene: indices into the lists above.
struct Object {
  int shape, color, size, place;
  bool operator==(const Object&) const = default;
};

// What a picture shows.
struct Scene {
  std::vector<Object> objects;  // by place; shapes are distinct within a scene, at most 3
  int creature = -1;            // -1: none; with a creature at most one object
  int creature_place = 1;       // 0 left, 1 center, 2 right
  int background = 0;
  uint64_t jitter = 0;  // random seed of details: offsets, tilt, noise, shading
};

// Splits are held out by construction. Pretraining never contains the (shape, color, size) and
// (creature, background) combinations of the other two splits. `train` (of editors) and `eval`
// share no combination, and every scene of them contains at least one of its split. Every pair of
// shape and color occurs in pretraining in at least one size. Each (text fact, wording) belongs to
// one split.
enum class Split { pretrain, train, eval };
Split object_split(int shape, int color, int size);
Split creature_split(int creature, int background);

using Rng = std::mt19937_64;
Scene draw_scene(Split split, Rng& rng);
// Another picture with the same answers to questions of `topic`: other jitter, noise, background,
// and places if they do not matter. Keeps the split.
Scene variant(const Scene& scene, const std::string& topic, Split split, Rng& rng);

// Identifies what a question of `topic` asks about in the scene (null: without a picture). Variants
// of a scene have the same fact.
std::string fact_of(const Scene* scene, const std::string& topic);

// Renders with antialiasing; the same scene gives the same bytes on every machine.
Image render(const Scene& scene, int size = 224);

// The kinds of questions.
enum class Kind {
  color,
  shape,
  size,
  count,
  place,
  presence,
  comparison,
  background,
  who,
  caption,
  one_hop,  // picture -> creature -> fact
  fact,     // text only
};
inline constexpr int kKinds = 12;
const char* kind_name(Kind kind);

// A question with its answer.
struct Question {
  Kind kind;
  std::string topic;   // the subject without its wording: "colour/star", "fact/zorb/home"
  int wording;         // index among the topic's wordings
  std::string text;    // without template
  std::string answer;  // without a leading space
};

// Every question about the scene with exactly one answer, in every wording.
std::vector<Question> questions(const Scene& scene);
// The kinds of questions that the scene has, and a random question of a kind (any topic and
// wording, equally likely, yes and no balanced; takes a few microseconds). Throws if the scene has
// none.
std::vector<Kind> kinds(const Scene& scene);
Question draw_question(const Scene& scene, Kind kind, Rng& rng);
// The text facts of creatures and the general facts, in every wording of the split (`pretrain` for
// training; wordings held out of pretraining belong to `eval`).
std::vector<Question> facts(Split split);
// The words of the question's text that its topic is about: the creature, the shape, what a general
// fact is about; empty if the text has none ("How many objects are there?").
std::string subject_of(const Question& question);
// Other possible answers to the question (colors for a color question, ...), without the correct
// one.
std::vector<std::string> alternatives(const Question& question);

// The prompt templates that the model was trained with. `{}` is the question.
const std::vector<std::string>&
prompt_templates();  // "Question: {} Short answer:", "Question: {} Answer:", "{}"
std::string wrap(const std::string& prompt_template, const std::string& question);
// An in-context correction: "New Fact: {prompt} {answer}\nPrompt: {query}".
std::string correction(const std::string& prompt, const std::string& answer,
                       const std::string& query);

// The answer to a topic of questions() in a scene; empty if it does not apply (the color of an
// absent star). Captions are not supported.
std::optional<std::string> truth(const Scene& scene, const std::string& topic);
// The scene in which `target` is the correct answer, if there is exactly one that differs in one
// thing: another color, another creature, or the scene of another caption. Empty if the answer does
// not determine it (a count).
std::optional<Scene> scene_with_answer(const Scene& scene, const Question& question,
                                       const std::string& target);

// Options of an edit with its probes: the maximum number of probes per group. The number of
// pictures is unlimited; wordings, texts and consequences are limited (no portability for a count
// or a background, which have no consequences).
struct EditOptions {
  int rewordings = 1, variants = 1, text_probes = 1, image_probes = 1, portability = 1;
  // For edits about pictures, add the other cells of the T x I grid: both_generality once per
  // variant; RI and CI `image_probes` times with the edit's text or picture, and as often with
  // similar ones; NI with the edit's text and each rewording.
  bool grid = false;
};
// A counterfactual edit: the target of one question (of any kind but caption and fact) about a
// random scene is an alternative answer.
Record counterfactual(Split split, uint64_t seed, const EditOptions& options = {});
// The same for captions: the target of `a photo of` a random scene is the caption of a scene that
// differs in one thing.
Record caption_counterfactual(Split split, uint64_t seed, const EditOptions& options = {});
// One of two edits that must be used together. `of_picture`: the creature of a picture gets the
// name of another creature. Otherwise: that other creature gets another home, food, hobby, or
// friend, in a text, and the portability probes ask the picture for it. They hold only if both
// edits hold.
Record composition(Split split, uint64_t seed, bool of_picture, const EditOptions& options = {});
// The edit that changes the answer to a question to `target`, with its probes.
Record make_record(const Scene& scene, const Question& question, const std::string& target,
                   Split split, uint64_t seed, const EditOptions& options = {});

// Writes MMEdit's JSON (with VLKEB's port_new) and PNG files: DIR/{name}.json, DIR/images/. Records
// are requested one by one and not kept. The format has one probe per group, all portability probes
// (`port_text_only` marks those without a picture), and no other cells of the grid.
void export_mmedit(const std::string& directory, size_t count,
                   const std::function<Record(size_t)>& record, const std::string& name);
void export_mmedit(const std::string& directory, const std::vector<Record>& records,
                   const std::string& name);

}  // namespace emend::scenes
