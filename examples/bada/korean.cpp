#include "vocabulary.h"

namespace bada {
namespace {

/// Korean has no articles: both names are one.
std::vector<SkyName> without_articles(const Words& words) {
  std::vector<SkyName> names;
  for (const auto word : words) names.push_back({word, word});
  return names;
}

std::vector<SkyName> korean_sky(Sky sky) {
  switch (sky) {
    case Sky::kBlue:
      return without_articles({"파란 하늘", "파란 하늘", "맑은 하늘", "푸른 하늘", "맑게 갠 하늘"});
    case Sky::kSunset:
      return without_articles(
          {"붉은 노을", "빨간 노을", "저녁노을", "붉은 저녁 하늘", "노을 진 하늘"});
    case Sky::kNight:
      return without_articles(
          {"별이 빛나는 밤", "별이 빛나는 밤하늘", "별이 가득한 하늘", "밤하늘", "별밤"});
    case Sky::kGrey:
      return without_articles({"회색 구름", "잿빛 구름", "흐린 하늘", "회색 하늘", "구름 낀 하늘"});
    case Sky::kDawn:
      return without_articles(
          {"분홍빛 새벽", "분홍빛 새벽하늘", "분홍 새벽", "분홍빛 하늘", "분홍색 하늘"});
  }
  return {};
}

Words korean_when(Sky sky) {
  switch (sky) {
    case Sky::kBlue:
      return {"맑은 날", "화창한 날", "맑은 낮"};
    case Sky::kSunset:
      return {"노을 지는 저녁", "붉은 저녁", "저녁"};
    case Sky::kNight:
      return {"밤", "별밤", "깊은 밤", "별이 빛나는 밤"};
    case Sky::kGrey:
      return {"흐린 날", "구름 낀 날", "잿빛으로 흐린 날"};
    case Sky::kDawn:
      return {"새벽", "이른 새벽", "분홍빛 새벽"};
  }
  return {};
}

Words korean_ground(Ground ground) {
  switch (ground) {
    case Ground::kSea:
      return {"바다", "바다", "넓은 바다", "잔잔한 바다"};
    case Ground::kDesert:
      return {"사막", "모래사막", "넓은 사막", "모래 언덕"};
    case Ground::kMeadow:
      return {"푸른 초원", "초원", "초록 들판", "풀밭"};
    case Ground::kMountains:
      return {"눈 덮인 산", "눈 쌓인 산", "설산", "하얀 설산"};
    case Ground::kForest:
      return {"숲", "깊은 숲", "울창한 숲", "소나무 숲"};
    case Ground::kCity:
      return {"도시", "큰 도시", "높은 건물이 많은 도시", "도심"};
  }
  return {};
}

/// The ways to say a thing's colour: "빨간", "빨간색".
Words korean_colors(Thing thing) {
  switch (thing) {
    case Thing::kRedBalloon:
    case Thing::kRedHouse:
      return {"빨간", "빨간색", "붉은"};
    case Thing::kYellowBalloon:
    case Thing::kYellowHouse:
      return {"노란", "노란색", "샛노란"};
    case Thing::kBlueBalloon:
    case Thing::kBlueHouse:
      return {"파란", "파란색", "새파란"};
    case Thing::kGreenBalloon:
      return {"초록", "초록색", "녹색"};
    default:
      return {};
  }
}

std::vector<std::string> korean_thing(Thing thing) {
  std::vector<std::string> names;
  for (const auto word : korean_colors(thing)) {
    const std::string color(word);
    if (is_balloon(thing)) {
      names.push_back(color + " 풍선");
      names.push_back(color + " 열기구");
    } else {
      names.push_back(color + " 집");
      names.push_back("작은 " + color + " 집");
    }
  }
  switch (thing) {
    case Thing::kSun:
      return {"해", "태양", "밝은 해"};
    case Thing::kMoon:
      return {"달", "밝은 달"};
    case Thing::kBoat:
      return {"하얀 배", "흰 배", "하얀 돛단배", "흰 돛단배"};
    case Thing::kLighthouse:
      return {"등대", "높은 등대", "빨갛고 하얀 등대"};
    case Thing::kTree:
      return {"나무", "나무 한 그루", "큰 나무"};
    default:
      return names;
  }
}

Words korean_where(const Scene& scene) {
  if (is_in_the_sky(scene.thing) || scene.thing == Thing::kBoat) return {"{g} 위"};
  if (scene.ground == Ground::kMountains || scene.ground == Ground::kSea) return {"{g} 앞"};
  return {"{g}", "{g} 한가운데", "{g} 앞"};
}

}  // namespace

const Vocabulary& korean() {
  static const Vocabulary vocabulary{
      {"{s:이/가} 있는 {g:과/와} {t}", "{s}, {g}, {t}", "{s} 아래 {g} 그리고 {t}",
       "{s} 아래 {w}에 있는 {t}", "{t:이/가} 있는 {g}, {s}", "{t:이/가} 있는 {a}의 {g}",
       "{a}의 {g:과/와} {t}", "{g:과/와} {t} 그리고 {s}", "{t:과/와} {g}, {s}",
       "{s} 아래의 {t:과/와} {g}", "{w}에 {t:이/가} 있는 {a}의 풍경",
       "{s:과/와} {t:이/가} 있는 {g}", "{s} 아래 {g:을/를} 배경으로 한 {t}",
       "{g} 위로 {s:이/가} 펼쳐지고 {t:이/가} 있다", "{s} 아래 {t:이/가} 보이는 {g}",
       "{t:은/는} {s} 아래 {w}에 있다", "{s:과/와} {g}, {t:을/를} 그린 그림",
       "{a}, {w}에 있는 {t}"},
      {"{s:이/가} 있는 {g}", "{s} 아래 {g}", "{s}, {g}", "{g}, {s}", "{g:과/와} {s}",
       "{s:과/와} {g}", "{a}의 {g}", "{g} 위의 {s}", "{g} 위로 펼쳐진 {s}", "{s} 아래 펼쳐진 {g}",
       "{s:이/가} 보이는 {g}", "{g:은/는} {s} 아래에 있다", "{s:과/와} {g:을/를} 그린 그림",
       "{a}의 {g} 풍경", "{a}, {g}", "{g} 그리고 {s}", "{g} 위로 {s:이/가} 펼쳐진 풍경"},
      {"{g}", "{s}", "{a}의 {g}", "{g:을/를} 그린 그림", "{a}의 풍경"},
      {"{t}", "{w}에 있는 {t}", "{g:과/와} {t}", "{s} 아래 {t}", "{t:이/가} 있는 {g}"},
      korean_sky,
      korean_when,
      korean_ground,
      korean_thing,
      korean_where};
  return vocabulary;
}

}  // namespace bada
