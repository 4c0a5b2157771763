//! The product's own texts, from `locales/*.ftl`.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::langid;

use super::Lang;

const EN: &str = include_str!("../../locales/en.ftl");
const HR: &str = include_str!("../../locales/hr.ftl");

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<[Bundle; 2]> = LazyLock::new(|| [bundle(EN, langid!("en")), bundle(HR, langid!("hr"))]);

fn bundle(source: &'static str, language: unic_langid::LanguageIdentifier) -> Bundle {
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false);
    // A faulty entry is left out; the test below finds it.
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}

/// The text of a key; the key itself where a language lacks it.
pub fn say(lang: Lang, key: &str, arguments: &[(&str, &str)]) -> String {
    let mut args = FluentArgs::new();
    for (name, value) in arguments {
        args.set(*name, FluentValue::from(*value));
    }
    format(lang, key, &args)
}

/// The text of a key that has the count `n`, by the language's plural rules.
pub fn count(lang: Lang, key: &str, n: usize, arguments: &[(&str, &str)]) -> String {
    let mut args = FluentArgs::new();
    args.set("n", FluentValue::from(n));
    for (name, value) in arguments {
        args.set(*name, FluentValue::from(*value));
    }
    format(lang, key, &args)
}

fn format(lang: Lang, key: &str, args: &FluentArgs) -> String {
    let bundle = match lang {
        Lang::En => &BUNDLES[0],
        Lang::Hr => &BUNDLES[1],
    };
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
        return key.to_owned();
    };
    let mut errors = Vec::new();
    bundle.format_pattern(pattern, Some(args), &mut errors).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(source: &str) -> Vec<String> {
        let mut keys: Vec<String> = source
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(|line| line.split_once(" =").map(|(key, _)| key.to_owned()))
            .collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_files_are_sound_and_no_key_stands_twice() {
        for source in [EN, HR] {
            assert!(FluentResource::try_new(source.to_owned()).is_ok());
            let mut once = keys(source);
            once.dedup();
            assert_eq!(once, keys(source));
        }
    }

    #[test]
    fn both_languages_have_the_same_texts() {
        assert_eq!(keys(EN), keys(HR));
        assert!(keys(EN).len() > 60);
    }

    #[test]
    fn counts_follow_the_languages_plural_rules() {
        assert_eq!(count(Lang::En, "list-total", 1, &[]), "1 result.");
        assert_eq!(count(Lang::En, "list-total", 37, &[]), "37 results.");
        assert_eq!(count(Lang::Hr, "list-total", 2, &[]), "2 rezultata.");
        assert_eq!(count(Lang::Hr, "list-total", 21, &[]), "21 rezultat.");
    }

    #[test]
    fn buttons_fit_twenty_characters() {
        for lang in Lang::ALL {
            for key in keys(EN).iter().filter(|key| key.starts_with("button-")) {
                let text = say(lang, key, &[]);
                assert!(text.chars().count() <= 20, "{key}: {text}");
            }
        }
    }
}
