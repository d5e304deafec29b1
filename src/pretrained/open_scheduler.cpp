#include "xattn/pretrained/open_scheduler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "io/atomic_file.h"
#include "io/file.h"
#include "io/json.h"
#include "pretrained/config_json.h"
#include "xattn/core/error.h"
#include "xattn/schedulers/scheduling_ddim.h"
#include "xattn/schedulers/scheduling_ddpm.h"
#include "xattn/schedulers/scheduling_deis_multistep.h"
#include "xattn/schedulers/scheduling_dpmsolver_multistep.h"
#include "xattn/schedulers/scheduling_dpmsolver_singlestep.h"
#include "xattn/schedulers/scheduling_euler_ancestral_discrete.h"
#include "xattn/schedulers/scheduling_euler_discrete.h"
#include "xattn/schedulers/scheduling_flow_match_euler_discrete.h"
#include "xattn/schedulers/scheduling_heun_discrete.h"
#include "xattn/schedulers/scheduling_k_dpm_2_ancestral_discrete.h"
#include "xattn/schedulers/scheduling_k_dpm_2_discrete.h"
#include "xattn/schedulers/scheduling_lcm.h"
#include "xattn/schedulers/scheduling_lms_discrete.h"
#include "xattn/schedulers/scheduling_pndm.h"
#include "xattn/schedulers/scheduling_tcd.h"
#include "xattn/schedulers/scheduling_unipc_multistep.h"

namespace xattn {
namespace {

constexpr auto kOpenSchedulerPlace = "open_scheduler";
constexpr auto kSaveSchedulerPlace = "save_scheduler";

struct SchedulerClass {
  const char* name;
  std::unique_ptr<Scheduler> (*make)(const char* name, const std::string& text);
  /// The config's text; nothing where the scheduler is of another class.
  std::optional<std::string> (*text_of)(const Scheduler& scheduler);
};

template <typename Class, typename Config>
std::unique_ptr<Scheduler> make(const char* name, const std::string& text) {
  return std::make_unique<Class>(read_config<Config>(name, text));
}

template <typename Class>
std::optional<std::string> text_of(const Scheduler& scheduler) {
  const auto* found = dynamic_cast<const Class*>(&scheduler);
  if (!found) return {};
  return write_config(found->config());
}

#define XATTN_SCHEDULER(name) \
  { #name, make < name, name##Config>, text_of < name> }
constexpr SchedulerClass kClasses[] = {
    XATTN_SCHEDULER(DDIMScheduler),
    XATTN_SCHEDULER(DDPMScheduler),
    XATTN_SCHEDULER(DEISMultistepScheduler),
    XATTN_SCHEDULER(DPMSolverMultistepScheduler),
    XATTN_SCHEDULER(DPMSolverSinglestepScheduler),
    XATTN_SCHEDULER(EulerAncestralDiscreteScheduler),
    XATTN_SCHEDULER(EulerDiscreteScheduler),
    XATTN_SCHEDULER(FlowMatchEulerDiscreteScheduler),
    XATTN_SCHEDULER(HeunDiscreteScheduler),
    XATTN_SCHEDULER(KDPM2AncestralDiscreteScheduler),
    XATTN_SCHEDULER(KDPM2DiscreteScheduler),
    XATTN_SCHEDULER(LCMScheduler),
    XATTN_SCHEDULER(LMSDiscreteScheduler),
    XATTN_SCHEDULER(PNDMScheduler),
    XATTN_SCHEDULER(TCDScheduler),
    XATTN_SCHEDULER(UniPCMultistepScheduler),
};
#undef XATTN_SCHEDULER

/// What the text itself says that it is.
struct NamedClass {
  std::string name;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.value("_class_name", config.name);
  }
};

std::string class_of(const std::string& text) {
  ConfigReader reader(kOpenSchedulerPlace, text);
  NamedClass named;
  NamedClass::visit_fields(named, reader);
  return named.name;
}

}  // namespace

std::vector<std::string> scheduler_classes() {
  std::vector<std::string> names;
  for (const auto& each : kClasses) names.emplace_back(each.name);
  return names;
}

std::unique_ptr<Scheduler> scheduler_from_json(const std::string& text,
                                               const std::string& class_name) {
  const auto name = class_name.empty() ? class_of(text) : class_name;
  for (const auto& each : kClasses) {
    if (each.name == name) return each.make(each.name, text);
  }
  throw ValueError(fmt::format("[{}] expected one of {}, got {}", kOpenSchedulerPlace,
                               fmt::join(scheduler_classes(), ", "),
                               name.empty() ? "no _class_name" : "'" + name + "'"));
}

std::unique_ptr<Scheduler> open_scheduler(const std::string& folder,
                                          const std::string& class_name) {
  const io::File file(kOpenSchedulerPlace, folder + "/scheduler_config.json");
  return scheduler_from_json(io::read_text(file), class_name);
}

std::string scheduler_to_json(const Scheduler& scheduler) {
  for (const auto& each : kClasses) {
    if (auto text = each.text_of(scheduler)) return *std::move(text);
  }
  throw ValueError(fmt::format("[{}] expected one of {}, got {}", kSaveSchedulerPlace,
                               fmt::join(scheduler_classes(), ", "), scheduler.class_name()));
}

void save_scheduler(const Scheduler& scheduler, const std::string& folder) {
  const auto text = scheduler_to_json(scheduler);
  io::make_folder({kSaveSchedulerPlace, folder});
  io::write_file(kSaveSchedulerPlace, folder + "/scheduler_config.json", text);
}

}  // namespace xattn
