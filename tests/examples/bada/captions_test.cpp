// Captions say what a scene is, in right English and Korean, in many ways.

#include "captions.h"

#include <gtest/gtest.h>
#include <xattn/core/error.h>

#include <algorithm>
#include <set>
#include <string>

#include "evaluation.h"
#include "vocabulary.h"

namespace bada {
namespace {

constexpr Language kLanguages[] = {Language::kEnglish, Language::kKorean};

const Vocabulary& words_of(Language language) {
  return language == Language::kEnglish ? english() : korean();
}

bool has(const std::string& text, std::string_view word) {
  return text.find(word) != std::string::npos;
}

template <class Words>
bool has_any(const std::string& text, const Words& words) {
  return std::any_of(words.begin(), words.end(), [&](const auto& word) { return has(text, word); });
}

bool names_sky(const std::string& text, const Vocabulary& words, Sky sky) {
  const auto names = words.sky(sky);
  return has_any(text, words.when(sky)) ||
         std::any_of(names.begin(), names.end(),
                     [&](const SkyName& name) { return has(text, name.bare); });
}

/// Whether a text names a thing; in English with its article, for "sun" is in "sunset".
bool names_thing(const std::string& text, const Vocabulary& words, Thing thing) {
  return has_any(text, words.thing(thing));
}

TEST(Captions, NameAllThatAPictureShows) {
  for (const auto language : kLanguages) {
    const auto& words = words_of(language);
    for (const auto& scene : all_scenes()) {
      Random random(17, static_cast<uint64_t>(language));
      for (int i = 0; i < 40; ++i) {
        const auto text = caption(scene, language, random);
        EXPECT_TRUE(names_sky(text, words, scene.sky)) << text;
        EXPECT_TRUE(has_any(text, words.ground(scene.ground))) << text;
        if (scene.thing != Thing::kNone) {
          EXPECT_TRUE(names_thing(text, words, scene.thing)) << text;
        }
        EXPECT_FALSE(has(text, "{") || has(text, "}") || has(text, "  ") || has(text, "/")) << text;
      }
    }
  }
}

TEST(Captions, NameNothingElse) {
  const Scene balloon{Sky::kGrey, Ground::kDesert, Thing::kRedBalloon};
  for (const auto language : kLanguages) {
    const auto& words = words_of(language);
    Random random(3);
    for (int i = 0; i < 200; ++i) {
      const auto text = caption(balloon, language, random);
      for (int thing = 3; thing < kThings; ++thing) {
        const auto other = static_cast<Thing>(thing);
        if (other != balloon.thing) {
          EXPECT_FALSE(names_thing(text, words, other)) << text;
        }
      }
      for (const auto other : {Sky::kBlue, Sky::kSunset, Sky::kNight, Sky::kDawn})
        EXPECT_FALSE(names_sky(text, words, other)) << text;
    }
  }
}

TEST(Captions, HaveFifteenFormsOrMore) {
  for (const auto language : kLanguages) {
    const auto& words = words_of(language);
    for (const auto* forms : {&words.forms_with_thing, &words.forms_without_thing}) {
      EXPECT_GE(std::set<std::string_view>(forms->begin(), forms->end()).size(), 15u);
    }
    Random random(1);
    std::set<std::string> texts;
    for (int i = 0; i < 500; ++i)
      texts.insert(caption({Sky::kDawn, Ground::kForest, Thing::kBlueHouse}, language, random));
    EXPECT_GE(texts.size(), 300u);
  }
}

TEST(Captions, HaveTheFormsOfTheFirstPrompts) {
  const Scene scene{Sky::kBlue, Ground::kSea, Thing::kNone};
  std::set<std::string> texts;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    for (const auto& text : captions(scene, 4, seed)) texts.insert(text);
  }
  for (const auto* text :
       {"파란 하늘이 있는 바다", "blue sky over the sea", "바다", "the sea", "맑은 하늘 아래 바다"})
    EXPECT_TRUE(texts.count(text)) << text;
}

TEST(Captions, ShortOnesLeaveSomethingOut) {
  for (const auto language : kLanguages) {
    const auto& words = words_of(language);
    Random random(5);
    int without_sky = 0, without_ground = 0, without_thing = 0;
    const Scene scene{Sky::kNight, Ground::kCity, Thing::kLighthouse};
    for (int i = 0; i < 300; ++i) {
      const auto text = short_caption(scene, language, random);
      const bool sky = names_sky(text, words, scene.sky),
                 ground = has_any(text, words.ground(scene.ground));
      const bool thing = names_thing(text, words, scene.thing);
      EXPECT_FALSE(sky && ground && thing) << text;
      without_sky += !sky;
      without_ground += !ground;
      without_thing += !thing;
    }
    EXPECT_GT(std::min({without_sky, without_ground, without_thing}), 50);
  }
}

TEST(Captions, BothLanguagesInTurnAndDeterministic) {
  const Scene scene{Sky::kBlue, Ground::kMeadow, Thing::kTree};
  const auto texts = captions(scene, 6, 9);
  EXPECT_EQ(texts.size(), 6u);
  EXPECT_EQ(texts, captions(scene, 6, 9));
  EXPECT_NE(texts, captions(scene, 6, 10));
  const auto is_korean = [](const std::string& text) {
    return static_cast<unsigned char>(text[0]) >= 0xEA;
  };
  for (size_t i = 1; i < texts.size(); ++i)
    EXPECT_NE(is_korean(texts[i - 1]), is_korean(texts[i])) << texts[i];
}

TEST(Captions, RefuseWhatCannotBe) {
  Random random(1);
  EXPECT_THROW(caption({Sky::kBlue, Ground::kCity, Thing::kBoat}, Language::kKorean, random),
               xattn::ValueError);
  EXPECT_THROW(captions({}, 0, 1), xattn::ValueError);
}

TEST(Particles, FollowTheLastSyllable) {
  for (const auto* word : {"하늘", "노을", "밤", "구름", "사막", "초원", "산", "숲", "달", "풍선",
                           "집", "들판", "나무 한 그릇"})
    EXPECT_TRUE(ends_in_consonant(word)) << word;
  for (const auto* word :
       {"바다", "도시", "해", "배", "등대", "나무", "열기구", "모래", "", "a", "sea"})
    EXPECT_FALSE(ends_in_consonant(word)) << word;
  EXPECT_EQ(with_particle("하늘", "이/가"), "하늘이");
  EXPECT_EQ(with_particle("바다", "이/가"), "바다가");
  EXPECT_EQ(with_particle("집", "과/와"), "집과");
  EXPECT_EQ(with_particle("해", "과/와"), "해와");
  EXPECT_EQ(with_particle("달", "을/를"), "달을");
  EXPECT_EQ(with_particle("배", "을/를"), "배를");
  EXPECT_EQ(with_particle("숲", "은/는"), "숲은");
  EXPECT_EQ(with_particle("등대", "은/는"), "등대는");
}

/// The last syllables of our words, told by ear and not by code.
TEST(Particles, AreRightInAllCaptions) {
  const std::set<std::string> vowels = {"다", "시", "해", "배", "대", "무", "루", "구"};
  const std::set<std::string> consonants = {"늘", "을", "밤", "름", "막", "덕", "원",
                                            "판", "밭", "산", "숲", "심", "벽", "날",
                                            "녁", "낮", "달", "선", "집", "양"};
  Random random(11);
  int seen = 0;
  for (const auto& scene : all_scenes()) {
    for (int i = 0; i < 60; ++i) {
      const auto text = caption(scene, Language::kKorean, random) + " ";
      for (size_t at = 6; at + 3 < text.size(); ++at) {
        if (text[at + 3] != ' ') continue;
        const auto particle = text.substr(at, 3), before = text.substr(at - 3, 3);
        const bool after_consonant = particle == "이" || particle == "과" || particle == "은";
        const bool after_vowel = particle == "가" || particle == "와" || particle == "를";
        if ((after_consonant && consonants.count(before) + vowels.count(before)) || after_vowel) {
          ++seen;
          EXPECT_TRUE((after_consonant ? consonants : vowels).count(before)) << text;
        }
      }
    }
  }
  EXPECT_GT(seen, 5000);
}

TEST(EvaluationPrompts, AreFourHundredOfBothLanguages) {
  const auto prompts = evaluation_prompts();
  ASSERT_EQ(prompts.size(), 400u);
  std::set<std::string> texts;
  std::set<Sky> skies;
  std::set<Ground> grounds;
  std::set<Thing> things;
  int counts[2][2] = {};
  for (const auto& prompt : prompts) {
    texts.insert(prompt.text);
    skies.insert(prompt.scene.sky);
    grounds.insert(prompt.scene.ground);
    things.insert(prompt.scene.thing);
    EXPECT_EQ(prompt.held_out, is_held_out(prompt.scene));
    EXPECT_TRUE(names_sky(prompt.text, words_of(prompt.language), prompt.scene.sky)) << prompt.text;
    ++counts[prompt.language == Language::kKorean][prompt.held_out];
  }
  EXPECT_EQ(texts.size(), 400u);
  EXPECT_EQ(skies.size(), static_cast<size_t>(kSkies));
  EXPECT_EQ(grounds.size(), static_cast<size_t>(kGrounds));
  EXPECT_EQ(things.size(), static_cast<size_t>(kThings));
  for (const auto& language : counts) {
    EXPECT_EQ(language[0], 150);
    EXPECT_EQ(language[1], 50);
  }
  const auto again = evaluation_prompts();
  for (size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(prompts[i].text, again[i].text);
}

}  // namespace
}  // namespace bada
