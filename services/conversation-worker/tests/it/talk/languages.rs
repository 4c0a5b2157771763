//! German and Spanish: the same conversations as in English and Croatian.

use serde_json::json;

use super::driver::{MARKO, Talk, instant, time_of};

/// A tenant that speaks all four.
fn talk() -> Talk {
    let mut talk = Talk::new();
    talk.settings.languages = ["en", "hr", "de", "es"].map(str::to_owned).to_vec();
    talk
}

/// The question before booking Krleža tomorrow from nine to twelve.
fn asked(sentence: &str) -> Talk {
    let mut talk = talk();
    talk.says(sentence);
    talk
}

const BUCHE: &str = "buche den roten Raum morgen von 9 bis 12";
const RESERVA: &str = "reserva la sala roja mañana de 9 a 12";

#[track_caller]
fn speaks(talk: &Talk, language: &str) {
    assert_eq!(talk.answer().trace.language, language, "{}", talk.transcript());
}

/// 37 bookings in November.
fn busy() -> Talk {
    let mut talk = talk();
    for at in 0..36 {
        let (day, hour) = (22 + at % 8, 8 + at / 8);
        let room = ["rom_1", "rom_2"][at % 2];
        let time = |minute: usize| format!("2026-11-{day}T{hour:02}:{minute:02}:00+01:00");
        talk.library.book(room, &time(0), &time(30), "mem_9");
    }
    talk
}

mod german {
    use super::*;

    #[test]
    fn a_look_up_takes_its_day_and_the_second_one_is_told_in_full() {
        for sentence in ["Welche Räume sind morgen frei?", "welche raeume sind morgen frei", "freie räume morgen"] {
            let mut talk = talk();
            talk.says(sentence).expect(&["1", "Tesla", "Krleža", "Gundulić", "Sonntag, 22. November"]);
            assert_eq!(talk.called(), ["GET /rooms/free"], "{}", talk.transcript());
            let call = talk.calls_of("GET /rooms/free")[0];
            assert_eq!(time_of(call, "query:from"), instant("2026-11-22T00:00:00"), "{}", talk.transcript());
            assert_eq!(call.language, "de", "the backend is asked in German");
            talk.expect(&["blau"]).says("der zweite").expect(&["Krleža", "12"]).expect_no("Tesla");
            speaks(&talk, "de");
        }
    }

    #[test]
    fn and_the_day_after_repeats_the_look_up() {
        for sentence in ["und am Tag danach", "und übermorgen?", "und wie sieht es am Montag aus?"] {
            let mut talk = talk();
            talk.says("Welche Räume sind morgen frei?").says(sentence).expect(&["23. November"]);
            let calls = talk.calls_of("GET /rooms/free");
            assert_eq!(calls.len(), 2, "{}", talk.transcript());
            assert_eq!(time_of(calls[1], "query:from"), instant("2026-11-23T00:00:00"), "{}", talk.transcript());
        }
    }

    #[test]
    fn it_means_the_row_that_was_spoken_of() {
        for sentence in ["buch es morgen 14-16", "buche ihn morgen von 14 bis 16 Uhr", "buch das morgen 14-16 uhr"] {
            let mut talk = talk();
            talk.says("Welche Räume sind morgen frei?").says("der zweite").says(sentence);
            talk.expect(&["Krleža", "14:00", "16:00"]).expect_buttons(&["Ja"]).expect_effects(0);
            talk.taps("Ja").expect(&["Gebucht", "Krleža"]).expect_effects(1);
            assert_eq!(talk.only_effect().arguments["body:room_id"], "rom_2", "{}", talk.transcript());
        }
    }

    #[test]
    fn an_ordinal_in_a_wish_names_its_row() {
        let mut talk = talk();
        talk.says("Welche Räume sind morgen frei?")
            .says("buche den letzten morgen 9-12")
            .expect(&["Gundulić", "09:00"]);
    }

    #[test]
    fn an_effect_is_planned_changed_and_done() {
        let mut talk = asked(BUCHE);
        talk.expect(&["Ich würde buchen", "Krleža", "So 22.11., 09:00", "12:00", "Ana Horvat"]);
        talk.expect_buttons(&["Ja, buchen", "Ändern", "Abbrechen"]).expect_effects(0);
        talk.says("ja, aber bis 13 Uhr").expect(&["Geändert", "13:00", "Der Rest bleibt"]).expect_effects(0);
        talk.taps("Ja").expect(&["Gebucht", "Krleža", "Nummer 4711"]);
        let call = talk.only_effect();
        assert_eq!(call.arguments["body:room_id"], "rom_2");
        assert_eq!(time_of(call, "body:from"), instant("2026-11-22T09:00:00"));
        assert_eq!(time_of(call, "body:to"), instant("2026-11-22T13:00:00"));
    }

    #[test]
    fn times_are_understood_as_they_are_said() {
        for (sentence, from, to) in [
            ("buche den blauen Raum nächsten Freitag 9-12", "2026-11-27T09:00:00", "2026-11-27T12:00:00"),
            ("buche den blauen Raum übermorgen von halb neun bis zehn", "2026-11-23T08:30:00", "2026-11-23T10:00:00"),
            ("reserviere den blauen Raum am 25.11. von 14 bis 16 Uhr", "2026-11-25T14:00:00", "2026-11-25T16:00:00"),
            ("buche den blauen Raum am Montag zwischen 9 und 12", "2026-11-23T09:00:00", "2026-11-23T12:00:00"),
            ("buche den blauen raum mittwoch 9.30-11.15 uhr", "2026-11-25T09:30:00", "2026-11-25T11:15:00"),
        ] {
            let mut talk = talk();
            talk.says(sentence).expect(&["Tesla"]).expect_buttons(&["Ja"]).says("ja");
            let call = talk.only_effect();
            assert_eq!(time_of(call, "body:from"), instant(from), "{}", talk.transcript());
            assert_eq!(time_of(call, "body:to"), instant(to), "{}", talk.transcript());
        }
    }

    #[test]
    fn a_yes_is_one_that_says_so() {
        for yes in ["ja", "Ja!", "ja bitte", "Ja, gerne", "klar", "passt", "in Ordnung", "mach das"] {
            asked(BUCHE).says(yes).expect(&["4711"]).expect_effects(1);
        }
        for word in ["sicher?", "ja?", "jahr", "richtung", "genauso", "bitte", "klarr", "jana", "es", "y?"] {
            asked(BUCHE).says(word).expect_effects(0);
        }
    }

    #[test]
    fn mine_is_a_filter() {
        for sentence in ["meine Ausleihen", "zeig mir meine Ausleihen", "welche Ausleihen habe ich"] {
            talk().says(sentence).expect(&["Dune", "Atlas", "30.11."]).expect_no("Emma");
        }
    }

    #[test]
    fn two_rows_that_fit_are_told_apart_by_a_word() {
        let mut talk = talk();
        talk.says("trage 12500 Seiten für Emma ein").expect(&["Emma", "2 passen"]).expect_effects(0);
        talk.says("die graue").expect(&["Emma", "12.500"]).expect_buttons(&["Ja, eintragen"]).says("ja");
        let call = talk.only_effect();
        assert_eq!(call.arguments["path:book_id"], "bok_5", "{}", talk.transcript());
        assert_eq!(call.arguments["body:pages"], 12500);
        talk.expect(&["Eingetragen"]);
    }

    #[test]
    fn missing_values_are_asked_and_back_goes_back() {
        let mut talk = talk();
        talk.says("Schaden melden").expect(&["Dune", "Atlas", "was wählst du"]).expect_effects(0);
        talk.says("den Atlas").expect(&["happened"]);
        talk.says("zurück").expect(&["Dune", "Atlas"]).says("das letzte").says("Seite gerissen");
        talk.expect_buttons(&["Needs repair"]).says("2").expect(&["Waste", "Seite gerissen"]).says("ja");
        assert_eq!(talk.only_effect().arguments["path:book_id"], "bok_6", "{}", talk.transcript());
        assert_eq!(talk.only_effect().arguments["body:severity"], "mend", "{}", talk.transcript());
        talk.expect(&["Gemeldet"]);
    }

    #[test]
    fn a_missing_time_is_asked_for_the_day() {
        let mut talk = talk();
        talk.says("buche den blauen Raum morgen").expect(&["um wie viel Uhr", "Sonntag, 22. November"]);
        talk.says("von 9 bis 12").expect(&["09:00", "12:00"]).expect_buttons(&["Ja"]).says("ja").expect_effects(1);
        assert_eq!(time_of(talk.only_effect(), "body:from"), instant("2026-11-22T09:00:00"), "{}", talk.transcript());
    }

    #[test]
    fn a_day_that_does_not_exist_is_told() {
        let mut talk = talk();
        talk.says("verlängere die Ausleihe von Dune bis 31.2.").expect(&["Den 31. Februar gibt es nicht"]);
        talk.says("5. Dezember").expect(&["Dune", "5.12."]).expect_buttons(&["Ja, verlängern"]).says("ja");
        assert_eq!(talk.only_effect().arguments["body:due"], "2026-12-05", "{}", talk.transcript());
        talk.expect(&["Verlängert"]);
    }

    #[test]
    fn a_number_out_of_range_is_told_with_its_limit() {
        let mut talk = talk();
        talk.says("trage 90.000 Seiten für Dune ein").expect(&["höchstens 50.000"]).expect_effects(0);
        talk.says("1.234").expect(&["1234"]).says("ja");
        assert_eq!(talk.only_effect().arguments["body:pages"], 1234, "{}", talk.transcript());
    }

    #[test]
    fn cancel_leaves_everything_as_it_is() {
        for word in ["abbrechen", "Nein", "nein, danke", "vergiss es", "abrechen"] {
            let mut talk = asked(BUCHE);
            talk.says(word).expect(&["nichts gemacht"]).expect_effects(0).says("ja").expect_effects(0);
        }
    }

    #[test]
    fn change_asks_what() {
        let mut talk = asked(BUCHE);
        talk.says("ändern").expect(&["Was soll anders sein"]).says("bis halb zwei").expect(&["13:30", "Krleža"]);
        talk.says("ja").expect_effects(1);
        assert_eq!(time_of(talk.only_effect(), "body:to"), instant("2026-11-22T13:30:00"), "{}", talk.transcript());
        let mut talk = asked(BUCHE);
        talk.says("nein, lieber den blauen").expect(&["Tesla", "09:00", "12:00"]).expect_effects(0);
    }

    #[test]
    fn a_late_yes_and_one_of_somebody_else_do_nothing() {
        let mut talk = asked(BUCHE);
        talk.person_says(MARKO, "ja").expect(&["nur Ana"]).expect_effects(0);
        talk.wait(115).says("ja").expect(&["zwei Minuten alt", "Krleža"]).expect_effects(0);
        talk.says("ja").expect_effects(1).says("ja").expect_silence();
    }

    #[test]
    fn too_many_rows_become_a_count_and_more() {
        let mut talk = busy();
        talk.says("alle Buchungen in diesem Monat")
            .expect(&["37 Ergebnisse", "Die ersten 5"])
            .expect_buttons(&["Mehr"]);
        talk.says("mehr").expect(&["Die nächsten 5", "10."]);
        talk.taps("Mehr").expect(&["15."]);
    }

    #[test]
    fn a_refusal_names_what_is_possible_instead() {
        let mut talk = asked(BUCHE);
        talk.library.book("rom_2", "2026-11-22T09:00:00+01:00", "2026-11-22T10:30:00+01:00", "mem_9");
        talk.says("ja").expect(&["Stattdessen möglich", "Tesla", "Gundulić"]).expect_effects(1);
    }

    #[test]
    fn what_is_the_persons_own_is_changed_and_deleted() {
        let mut talk = talk();
        talk.says("ändere meine E-Mail-Adresse auf ana.h@example.com").expect(&["ana.h@example.com"]).says("ja");
        assert_eq!(talk.only_effect().arguments["path:member_id"], "mem_1", "{}", talk.transcript());
        let mut talk = super::talk();
        talk.library.book("rom_1", "2026-11-22T09:00:00+01:00", "2026-11-22T12:00:00+01:00", "mem_9");
        talk.says("storniere meine Buchung des Raums").expect(&["Gundulić"]).expect_no("Tesla").says("ja");
        assert_eq!(talk.only_effect().arguments["path:booking_id"], json!(4700), "{}", talk.transcript());
        talk.expect(&["Storniert"]);
    }

    #[test]
    fn words_that_steer_are_understood() {
        talk().says("Hallo").expect(&["Hallo Ana"]).expect_buttons(&["Hilfe"]);
        talk().says("Hilfe").expect(&["abbrechen", "zurück", "falsch"]);
        talk().says("was ist das wetter in Split?").expect(&["nicht helfen"]).expect_buttons(&["Ein Mensch"]);
        let mut talk = talk();
        talk.says("meine Ausleihen")
            .says("das stimmt nicht")
            .expect(&["tut mir leid"])
            .expect_buttons(&["Falsche Angabe"]);
        talk.taps("Falsche Angabe").expect(&["notiert", "Menschen"]);
        talk.says("ja").expect(&["notiert"]);
        assert!(talk.answer().trace.report.is_some(), "{}", talk.transcript());
        let mut talk = super::talk();
        talk.says("ich möchte mit einem Menschen sprechen").expect(&["Menschen"]);
        assert!(talk.answer().trace.report.is_some(), "{}", talk.transcript());
        asked(BUCHE).says("ja").says("vielen Dank").expect(&["Gern geschehen"]);
    }
}

mod spanish {
    use super::*;

    #[test]
    fn a_look_up_takes_its_day_and_the_second_one_is_told_in_full() {
        for sentence in ["¿Qué salas están libres mañana?", "que salas estan libres manana", "salas libres mañana"]
        {
            let mut talk = talk();
            talk.says(sentence).expect(&["1", "Tesla", "Krleža", "Gundulić", "domingo 22 de noviembre"]);
            assert_eq!(talk.called(), ["GET /rooms/free"], "{}", talk.transcript());
            let call = talk.calls_of("GET /rooms/free")[0];
            assert_eq!(time_of(call, "query:from"), instant("2026-11-22T00:00:00"), "{}", talk.transcript());
            assert_eq!(call.language, "es", "the backend is asked in Spanish");
            talk.expect(&["azul"]).says("la segunda").expect(&["Krleža", "12"]).expect_no("Tesla");
            speaks(&talk, "es");
        }
    }

    #[test]
    fn and_the_day_after_repeats_the_look_up() {
        for sentence in ["y al día siguiente", "¿y pasado mañana?", "¿y qué tal el lunes?"] {
            let mut talk = talk();
            talk.says("¿Qué salas están libres mañana?").says(sentence).expect(&["23 de noviembre"]);
            let calls = talk.calls_of("GET /rooms/free");
            assert_eq!(calls.len(), 2, "{}", talk.transcript());
            assert_eq!(time_of(calls[1], "query:from"), instant("2026-11-23T00:00:00"), "{}", talk.transcript());
        }
    }

    #[test]
    fn it_means_the_row_that_was_spoken_of() {
        for sentence in ["resérvala mañana de 14 a 16", "la reservo mañana de 14 a 16", "reserva esa mañana 14-16"]
        {
            let mut talk = talk();
            talk.says("¿Qué salas están libres mañana?").says("la segunda").says(sentence);
            talk.expect(&["Krleža", "14:00", "16:00"]).expect_buttons(&["Sí"]).expect_effects(0);
            talk.taps("Sí").expect(&["Reservado", "Krleža"]).expect_effects(1);
            assert_eq!(talk.only_effect().arguments["body:room_id"], "rom_2", "{}", talk.transcript());
        }
    }

    #[test]
    fn an_ordinal_in_a_wish_names_its_row() {
        let mut talk = talk();
        talk.says("¿Qué salas están libres mañana?").says("reserva la última mañana de 9 a 12");
        talk.expect(&["Gundulić", "09:00"]);
    }

    #[test]
    fn an_effect_is_planned_changed_and_done() {
        let mut talk = asked(RESERVA);
        talk.expect(&["Voy a reservar", "Krleža", "dom 22 nov, 09:00", "12:00", "Ana Horvat"]);
        talk.expect_buttons(&["Sí, reservar", "Cambiar", "Cancelar"]).expect_effects(0);
        talk.says("sí, pero hasta la una").expect(&["Cambiado", "13:00", "queda igual"]).expect_effects(0);
        talk.taps("Sí").expect(&["Reservado", "Krleža", "Número 4711"]);
        let call = talk.only_effect();
        assert_eq!(call.arguments["body:room_id"], "rom_2");
        assert_eq!(time_of(call, "body:from"), instant("2026-11-22T09:00:00"));
        assert_eq!(time_of(call, "body:to"), instant("2026-11-22T13:00:00"));
    }

    #[test]
    fn times_are_understood_as_they_are_said() {
        for (sentence, from, to) in [
            ("reserva la sala azul el viernes que viene de 9 a 12", "2026-11-27T09:00:00", "2026-11-27T12:00:00"),
            (
                "reserva la sala azul pasado mañana de las nueve y media a las once",
                "2026-11-23T09:30:00",
                "2026-11-23T11:00:00",
            ),
            ("reserva la sala azul el 25/11 de 14 a 16", "2026-11-25T14:00:00", "2026-11-25T16:00:00"),
            ("resérvame la sala azul el lunes entre las 9 y las 12", "2026-11-23T09:00:00", "2026-11-23T12:00:00"),
            ("reserva la sala azul mañana por la mañana", "2026-11-22T08:00:00", "2026-11-22T12:00:00"),
            (
                "reserva la sala azul el 25 de noviembre de 4 a 6 de la tarde",
                "2026-11-25T16:00:00",
                "2026-11-25T18:00:00",
            ),
        ] {
            let mut talk = talk();
            talk.says(sentence).expect(&["Tesla"]).expect_buttons(&["Sí"]).says("sí");
            let call = talk.only_effect();
            assert_eq!(time_of(call, "body:from"), instant(from), "{}", talk.transcript());
            assert_eq!(time_of(call, "body:to"), instant(to), "{}", talk.transcript());
        }
    }

    #[test]
    fn a_yes_is_one_that_says_so() {
        for yes in ["sí", "Si", "sí, por favor", "vale", "¡claro!", "de acuerdo", "está bien", "hazlo"] {
            asked(RESERVA).says(yes).expect(&["4711"]).expect_effects(1);
        }
        for word in ["¿vale?", "y?", "siglo", "valle", "bueno", "claros", "por favor", "dalí", "es"] {
            asked(RESERVA).says(word).expect_effects(0);
        }
    }

    #[test]
    fn mine_is_a_filter() {
        for sentence in ["mis préstamos", "muéstrame mis prestamos", "qué préstamos tengo"] {
            talk().says(sentence).expect(&["Dune", "Atlas", "30 nov"]).expect_no("Emma");
        }
        // "mi" is "to me" in Croatian.
        talk().says("pokaži mi posudbe").expect(&["Emma"]);
    }

    #[test]
    fn two_rows_that_fit_are_told_apart_by_a_word() {
        let mut talk = talk();
        talk.says("anota 12500 páginas del libro Emma").expect(&["Emma", "Encajan 2"]).expect_effects(0);
        talk.says("la gris").expect(&["Emma", "12.500"]).expect_buttons(&["Sí, anotar"]).says("sí");
        let call = talk.only_effect();
        assert_eq!(call.arguments["path:book_id"], "bok_5", "{}", talk.transcript());
        assert_eq!(call.arguments["body:pages"], 12500);
        talk.expect(&["Anotado"]);
    }

    #[test]
    fn missing_values_are_asked_and_back_goes_back() {
        let mut talk = talk();
        talk.says("un libro está dañado").expect(&["Dune", "Atlas", "cuál eliges"]).expect_effects(0);
        talk.says("el Atlas").expect(&["happened"]);
        talk.says("atrás").expect(&["Dune", "Atlas"]).says("el último").says("una página rota");
        talk.expect_buttons(&["Needs repair"]).says("2").expect(&["Waste", "una página rota"]).says("sí");
        assert_eq!(talk.only_effect().arguments["path:book_id"], "bok_6", "{}", talk.transcript());
        assert_eq!(talk.only_effect().arguments["body:severity"], "mend", "{}", talk.transcript());
        talk.expect(&["Aviso enviado"]);
    }

    #[test]
    fn a_missing_time_is_asked_for_the_day() {
        let mut talk = talk();
        talk.says("reserva la sala azul mañana").expect(&["a qué hora", "domingo 22 de noviembre"]);
        talk.says("de 9 a 12").expect(&["09:00", "12:00"]).expect_buttons(&["Sí"]).says("sí").expect_effects(1);
        assert_eq!(time_of(talk.only_effect(), "body:from"), instant("2026-11-22T09:00:00"), "{}", talk.transcript());
    }

    #[test]
    fn a_day_that_does_not_exist_is_told() {
        let mut talk = talk();
        talk.says("prorroga el préstamo de Dune hasta el 31 de febrero").expect(&["El 31 de febrero no existe"]);
        talk.says("el 5 de diciembre").expect(&["Dune", "5 dic"]).expect_buttons(&["Sí, prorrogar"]).says("sí");
        assert_eq!(talk.only_effect().arguments["body:due"], "2026-12-05", "{}", talk.transcript());
        talk.expect(&["Prorrogado"]);
    }

    #[test]
    fn a_number_out_of_range_is_told_with_its_limit() {
        let mut talk = talk();
        talk.says("anota 90.000 páginas de Dune").expect(&["como máximo 50.000"]).expect_effects(0);
        talk.says("1.234").expect(&["1234"]).says("sí");
        assert_eq!(talk.only_effect().arguments["body:pages"], 1234, "{}", talk.transcript());
    }

    #[test]
    fn cancel_leaves_everything_as_it_is() {
        for word in ["cancelar", "No", "no, gracias", "olvídalo", "cancealr"] {
            let mut talk = asked(RESERVA);
            talk.says(word).expect(&["no se ha hecho nada"]).expect_effects(0).says("sí").expect_effects(0);
        }
    }

    #[test]
    fn change_asks_what() {
        let mut talk = asked(RESERVA);
        talk.says("cambiar").expect(&["Qué quieres cambiar"]).says("hasta la una y media").expect(&["13:30", "Krleža"]);
        talk.says("sí").expect_effects(1);
        assert_eq!(time_of(talk.only_effect(), "body:to"), instant("2026-11-22T13:30:00"), "{}", talk.transcript());
        let mut talk = asked(RESERVA);
        talk.says("no, mejor la azul").expect(&["Tesla", "09:00", "12:00"]).expect_effects(0);
    }

    #[test]
    fn a_late_yes_and_one_of_somebody_else_do_nothing() {
        let mut talk = asked(RESERVA);
        talk.person_says(MARKO, "sí").expect(&["Solo Ana"]).expect_effects(0);
        talk.wait(115).says("sí").expect(&["hace dos minutos", "Krleža"]).expect_effects(0);
        talk.says("sí").expect_effects(1).says("sí").expect_silence();
    }

    #[test]
    fn too_many_rows_become_a_count_and_more() {
        let mut talk = busy();
        talk.says("todas las reservas de este mes").expect(&["37 resultados", "Primeros 5"]).expect_buttons(&["Más"]);
        talk.says("más").expect(&["Los 5 siguientes", "10."]);
        talk.taps("Más").expect(&["15."]);
    }

    #[test]
    fn a_refusal_names_what_is_possible_instead() {
        let mut talk = asked(RESERVA);
        talk.library.book("rom_2", "2026-11-22T09:00:00+01:00", "2026-11-22T10:30:00+01:00", "mem_9");
        talk.says("sí").expect(&["En su lugar se puede", "Tesla", "Gundulić"]).expect_effects(1);
    }

    #[test]
    fn what_is_the_persons_own_is_changed_and_deleted() {
        let mut talk = talk();
        talk.says("cambia mi correo a ana.h@example.com").expect(&["ana.h@example.com"]).says("sí");
        assert_eq!(talk.only_effect().arguments["path:member_id"], "mem_1", "{}", talk.transcript());
        let mut talk = super::talk();
        talk.library.book("rom_1", "2026-11-22T09:00:00+01:00", "2026-11-22T12:00:00+01:00", "mem_9");
        talk.says("cancela mi reserva de la sala").expect(&["Gundulić"]).expect_no("Tesla").says("sí");
        assert_eq!(talk.only_effect().arguments["path:booking_id"], json!(4700), "{}", talk.transcript());
        talk.expect(&["Anulado"]);
    }

    #[test]
    fn words_that_steer_are_understood() {
        talk().says("¡Hola!").expect(&["¡Hola, Ana!"]).expect_buttons(&["Ayuda"]);
        talk().says("ayuda").expect(&["cancelar", "atrás", "incorrecto"]);
        talk().says("¿qué tiempo hace en Split?").expect(&["no puedo ayudarte"]).expect_buttons(&["Una persona"]);
        let mut talk = talk();
        talk.says("mis préstamos").says("eso está mal").expect(&["Lo siento"]).expect_buttons(&["Dato erróneo"]);
        talk.taps("Dato erróneo").expect(&["anotado", "persona"]);
        talk.says("sí").expect(&["anotado"]);
        assert!(talk.answer().trace.report.is_some(), "{}", talk.transcript());
        let mut talk = super::talk();
        talk.says("quiero hablar con una persona").expect(&["persona"]);
        assert!(talk.answer().trace.report.is_some(), "{}", talk.transcript());
        asked(RESERVA).says("sí").says("muchas gracias").expect(&["De nada"]);
    }
}

#[test]
fn the_language_follows_the_person_through_all_four_and_names_do_not_switch_it() {
    let mut talk = talk();
    for (text, language) in [
        ("Which rooms are free tomorrow?", "en"),
        ("hallo, welche Räume sind morgen frei?", "de"),
        ("Krleža", "de"),
        ("ok", "de"),
        ("¿y pasado mañana?", "es"),
        ("Tesla", "es"),
        ("koje su sobe slobodne sutra?", "hr"),
        ("2", "hr"),
        ("the second one", "en"),
        ("und der erste?", "de"),
    ] {
        talk.says(text);
        speaks(&talk, language);
    }
}

#[test]
fn a_tenant_that_does_not_speak_a_language_is_answered_in_its_own() {
    for text in ["welche Räume sind morgen frei?", "¿qué salas están libres mañana?"] {
        let mut talk = Talk::new();
        talk.says(text);
        speaks(&talk, "en");
    }
}

#[test]
fn a_question_in_one_language_is_answered_in_another() {
    asked(BUCHE).says("sí").expect(&["4711"]).expect_effects(1);
    asked(RESERVA).says("ja").expect(&["4711"]).expect_effects(1);
    asked(RESERVA).says("yes").expect(&["4711"]).expect_effects(1);
}
