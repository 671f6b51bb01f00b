#pragma once

#include <string>

#include "editing/tracing/trace_result.h"
#include "io/image/image.h"
#include "io/image/processor.h"

namespace emend {

// The maps of the runs of one corruption, as figures of causal traces are drawn: a row of panels
// for each component and window, the modules side by side, groups of positions as rows and layers
// as columns. The corrupted groups have a star. The color shows the indirect effect on the
// probability of the first answer token, on one scale; negative effects are gray.
std::string heat_map_svg(const TraceRuns& runs, const std::string& title);
Image heat_map_image(const TraceRuns& runs, const std::string& title);

// The largest effect of a component at a group with content (subject, image, query tokens, all
// patches) and at the last token, by layer through all modules, with standard errors as whiskers.
std::string effect_plot_svg(const TraceRuns& runs);

// Tints the parts of the picture by the effect of restoring them, in the layer with the largest sum
// of effects. Uses the image tokens of the language module if they have places, else the patches of
// the vision tower. Without a grid in the trace, returns an empty image.
Image picture_overlay(const Image& picture, const ImageProcessor& processor,
                      const TraceResult& result);

}  // namespace emend
