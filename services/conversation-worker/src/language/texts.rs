//! The product's own texts, from `locales/*.ftl`.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::langid;

use super::Lang;

const EN: &str = include_str!("../../locales/en.ftl");
const HR: &str = include_str!("../../locales/hr.ftl");
const DE: &str = include_str!("../../locales/de.ftl");
const ES: &str = include_str!("../../locales/es.ftl");

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<[Bundle; 4]> = LazyLock::new(|| {
    [bundle(EN, langid!("en")), bundle(HR, langid!("hr")), bundle(DE, langid!("de")), bundle(ES, langid!("es"))]
});

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
        Lang::De => &BUNDLES[2],
        Lang::Es => &BUNDLES[3],
    };
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
        return key.to_owned();
    };
    let mut errors = Vec::new();
    bundle.format_pattern(pattern, Some(args), &mut errors).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const SOURCES: [&str; 4] = [EN, HR, DE, ES];

    /// The arguments that each text names.
    fn arguments(source: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut current = String::new();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if let Some((key, _)) = line.split_once(" =").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
            {
                current = key.to_owned();
                found.entry(current.clone()).or_default();
            }
            for part in line.split('$').skip(1) {
                let name = part.chars().take_while(char::is_ascii_alphanumeric).collect();
                found.entry(current.clone()).or_default().insert(name);
            }
        }
        found
    }

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
        for source in SOURCES {
            assert!(FluentResource::try_new(source.to_owned()).is_ok());
            let mut once = keys(source);
            once.dedup();
            assert_eq!(once, keys(source));
        }
    }

    #[test]
    fn all_languages_have_the_same_texts() {
        assert!(keys(EN).len() > 60);
        for source in SOURCES {
            assert_eq!(keys(EN), keys(source));
        }
    }

    #[test]
    fn all_languages_say_the_same_things_in_them() {
        // Words for an effect come as a verb, which each language puts into words in its own way.
        let said = |source: &str| {
            let mut said = arguments(source);
            said.retain(|key, _| !key.starts_with("act-"));
            said
        };
        for source in SOURCES {
            assert_eq!(said(EN), said(source));
            for key in ["act-yes", "act-plan", "act-done"] {
                let own = &arguments(source)[key];
                assert!(
                    own.iter().all(|name| ["verb", "plain", "title", "done"].contains(&name.as_str())),
                    "{key}: {own:?}"
                );
            }
        }
    }

    #[test]
    fn every_text_is_complete_in_every_language() {
        let names = ["n", "list", "name", "title", "verb", "plain", "done", "what", "number", "shared", "day", "month"];
        let more = ["least", "most", "example", "shown", "system", "about", "total"];
        let values: Vec<(&str, &str)> = names.iter().chain(&more).map(|name| (*name, "x")).collect();
        for lang in Lang::ALL {
            for key in keys(EN) {
                for n in [0, 1, 2, 3, 5, 21] {
                    let text = count(lang, &key, n, &values[1..]);
                    assert!(!text.trim().is_empty() && !text.contains(['{', '$']), "{lang:?} {key}: {text}");
                }
            }
        }
    }

    #[test]
    fn counts_follow_the_languages_plural_rules() {
        assert_eq!(count(Lang::En, "list-total", 1, &[]), "1 result.");
        assert_eq!(count(Lang::En, "list-total", 37, &[]), "37 results.");
        assert_eq!(count(Lang::Hr, "list-total", 2, &[]), "2 rezultata.");
        assert_eq!(count(Lang::Hr, "list-total", 21, &[]), "21 rezultat.");
        assert_eq!(count(Lang::De, "list-total", 1, &[]), "1 Ergebnis.");
        assert_eq!(count(Lang::De, "list-total", 21, &[]), "21 Ergebnisse.");
        assert_eq!(count(Lang::Es, "list-total", 1, &[]), "1 resultado.");
        assert_eq!(count(Lang::Es, "list-total", 0, &[]), "0 resultados.");
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
