# Alles, was das Produkt selbst sagt, auf Deutsch. Kurz, freundlich, genau.

## Gruß und Hilfe
hello = Hallo!
hello-name = Hallo { $name }!
can-do = Dabei kann ich helfen: { $list }. Was brauchst du?
can-do-plain = Was brauchst du?
help = Dabei kann ich helfen: { $list }. Schreib einfach in einem Satz, was du brauchst. Du kannst immer schreiben: abbrechen, zurück, Hilfe, ein Mensch, falsch.
help-plain = Schreib einfach in einem Satz, was du brauchst. Du kannst immer schreiben: abbrechen, zurück, Hilfe, ein Mensch, falsch.
not-sure = Meinst du:
nothing-near = Dabei kann ich nicht helfen. Ich kann hierbei helfen: { $list }.
nothing-near-plain = Dabei kann ich nicht helfen.
welcome = Gern geschehen.

## Knöpfe, höchstens 20 Zeichen
button-yes = Ja
button-no = Nein
button-change = Ändern
button-cancel = Abbrechen
button-more = Mehr
button-all = Alle
button-help = Hilfe
button-person = Ein Mensch
button-retry = Noch einmal
button-other-time = Andere Zeit
button-choose = Auswählen
button-something-else = Etwas anderes
button-wrong-item = Falsche Auswahl
button-wrong-detail = Falsche Angabe

## Vor und nach einer Wirkung
act-yes = { $verb ->
    [book] Ja, buchen
    [reserve] Ja, reservieren
    [record] Ja, eintragen
    [log] Ja, eintragen
    [enter] Ja, eintragen
    [register] Ja, anmelden
    [add] Ja, hinzufügen
    [create] Ja, anlegen
    [report] Ja, melden
    [request] Ja, anfragen
    [borrow] Ja, ausleihen
    [lend] Ja, ausleihen
    [extend] Ja, verlängern
    [renew] Ja, verlängern
    [change] Ja, ändern
    [update] Ja, ändern
    [edit] Ja, ändern
    [move] Ja, verschieben
    [reschedule] Ja, verschieben
    [set] Ja, setzen
    [cancel] Ja, stornieren
    [delete] Ja, löschen
    [remove] Ja, entfernen
    [send] Ja, senden
    [return] Ja, zurückgeben
    [close] Ja, schließen
    [open] Ja, öffnen
    [order] Ja, bestellen
    [buy] Ja, kaufen
    [pay] Ja, bezahlen
    [approve] Ja, genehmigen
    [reject] Ja, ablehnen
    [start] Ja, starten
    [stop] Ja, beenden
   *[other] Ja, bestätigen
}
act-plan = { $verb ->
    [book] Ich würde buchen ({ $title }):
    [reserve] Ich würde reservieren ({ $title }):
    [record] Ich würde eintragen ({ $title }):
    [log] Ich würde eintragen ({ $title }):
    [enter] Ich würde eintragen ({ $title }):
    [register] Ich würde anmelden ({ $title }):
    [add] Ich würde hinzufügen ({ $title }):
    [create] Ich würde anlegen ({ $title }):
    [report] Ich würde melden ({ $title }):
    [request] Ich würde anfragen ({ $title }):
    [borrow] Ich würde ausleihen ({ $title }):
    [lend] Ich würde ausleihen ({ $title }):
    [extend] Ich würde verlängern ({ $title }):
    [renew] Ich würde verlängern ({ $title }):
    [change] Ich würde ändern ({ $title }):
    [update] Ich würde ändern ({ $title }):
    [edit] Ich würde ändern ({ $title }):
    [move] Ich würde verschieben ({ $title }):
    [reschedule] Ich würde verschieben ({ $title }):
    [cancel] Ich würde stornieren ({ $title }):
    [delete] Ich würde löschen ({ $title }):
    [remove] Ich würde entfernen ({ $title }):
    [send] Ich würde senden ({ $title }):
    [return] Ich würde zurückgeben ({ $title }):
    [order] Ich würde bestellen ({ $title }):
    [buy] Ich würde kaufen ({ $title }):
    [pay] Ich würde bezahlen ({ $title }):
   *[other] Bitte bestätige ({ $title }):
}
act-plan-plain = Bitte bestätige: { $title }
act-done = { $verb ->
    [book] Gebucht
    [reserve] Reserviert
    [record] Eingetragen
    [log] Eingetragen
    [enter] Eingetragen
    [register] Angemeldet
    [add] Hinzugefügt
    [create] Angelegt
    [report] Gemeldet
    [request] Angefragt
    [borrow] Ausgeliehen
    [lend] Ausgeliehen
    [extend] Verlängert
    [renew] Verlängert
    [change] Geändert
    [update] Geändert
    [edit] Geändert
    [move] Verschoben
    [reschedule] Verschoben
    [set] Gesetzt
    [cancel] Storniert
    [delete] Gelöscht
    [remove] Entfernt
    [send] Gesendet
    [return] Zurückgegeben
    [close] Geschlossen
    [open] Geöffnet
    [order] Bestellt
    [buy] Gekauft
    [pay] Bezahlt
    [approve] Genehmigt
    [reject] Abgelehnt
    [start] Gestartet
    [stop] Beendet
   *[other] Erledigt
}
act-done-plain = Erledigt
changed = Geändert: { $what }. Der Rest bleibt.
number-is = Nummer { $number }.
cancelled = Gut, es wurde nichts gemacht.
lapsed = Wonach ich gefragt habe, hat sich inzwischen geändert; gemacht wurde nichts.
opted-out = Gut, du bekommst keine Nachrichten mehr, um die du nicht gebeten hast. Auf das, was du schreibst, antworte ich weiterhin. Schreib START, um sie wieder zu bekommen.
opted-in = Gut, du bekommst wieder Nachrichten. Schreib STOP, um sie zu beenden.
left = Gut.
too-late = Diese Frage ist { $n ->
    [1] eine Minute
    [2] zwei Minuten
    [3] drei Minuten
   *[other] { $n } Minuten
} alt. Gilt das noch: { $what }?
see-first = Bitte sieh dir zuerst das an.
only-asked = Das kann nur { $name } bestätigen.
only-asked-plain = Das kann nur bestätigen, wer gefragt wurde.
no-question = Gerade ist nichts offen. Was brauchst du?
old-button = Dieser Knopf gilt nicht mehr.

## Fragen
ask-which = { $title }: Was wählst du?
ask-choice = { $title }?
ask-day = { $title }: An welchem Tag?
ask-moment = { $title }: An welchem Tag und um wie viel Uhr?
ask-time = { $title }: Um wie viel Uhr? ({ $day })
ask-number = { $title }? Bitte eine Zahl.
ask-text = { $title }?
ask-yes-no = { $title }: Ja oder nein?
ask-email = { $title }: Welche E-Mail-Adresse?
ask-photo = { $title }: Bitte schick ein Bild.
ask-file = { $title }: Bitte schick ein Bild oder eine Datei.
can-add-photo = Du kannst ein Foto anhängen.
can-add-file = Du kannst ein Foto oder eine Datei anhängen.
ask-change = Was soll anders sein?
ask-change-none = Daran lässt sich nichts ändern.
two-fit = { $n } passen. Was wählst du?
two-fit-of = { $n } passen: { $shared }. Was wählst du?
not-there = Das finde ich nicht. Das hier gibt es:
no-rows = Ich finde nichts zum Auswählen: { $title }.
what-name = Es gibt { $n } davon. Das sind die ersten; du kannst auch einen Namen schreiben.

## Fehler in einem Wert
bad-date = Den { $day }. { $month } gibt es nicht. Welchen Tag meinst du?
problem-order = Das Ende muss nach dem Anfang liegen.
problem-least = { $title }: Bitte mindestens { $least }.
problem-most = { $title }: Bitte höchstens { $most }.
problem-short = { $title }: Das ist zu kurz.
problem-long = { $title }: Das ist zu lang.
problem-number = { $title }: Das muss eine Zahl sein.
problem-day = { $title }: Diesen Tag verstehe ich nicht. Zum Beispiel: { $example }.
problem-choice = { $title }: Bitte wähle eines davon.
problem-form = { $title }: Das sieht nicht richtig aus.
problem-example = Zum Beispiel: { $example }.
problem-email = { $title }: Das ist keine E-Mail-Adresse.
problem-file = { $title }: Das muss ein Bild oder eine Datei sein.
picture-lost = Ich konnte das Bild nicht abrufen; bitte schick es noch einmal.
file-lost = Ich konnte die Datei nicht abrufen; bitte schick sie noch einmal.
picture-too-large = Das Bild ist zu groß. Bitte höchstens { $most }.
file-too-large = Die Datei ist zu groß. Bitte höchstens { $most }.
picture-word = ein Bild
file-word = eine Datei
file-not-sent = Das konnte ich dir hier nicht schicken: { $what }.
file-not-passed-on = Die Antwort ist eine Datei von mehr als { $most }; ich kann sie nicht weitergeben.
file-not-kept = Die Antwort kam als Datei ({ $what }), die ich nicht aufbewahren konnte; ich kann sie nicht weitergeben.
file-kind = { $title }: Diese Art von Datei passt nicht. Bitte schick eine andere.
file-kind-of = { $title }: Diese Art von Datei passt nicht. Bitte schick eine von diesen: { $what }.
file-full = { $title }: Mehr Dateien passen nicht.

## Ergebnisse
list-total = { $n ->
    [one] { $n } Ergebnis.
   *[other] { $n } Ergebnisse.
}
list-first = Die ersten { $n }:
list-next = { $n ->
    [1] Das nächste:
   *[other] Die nächsten { $n }:
}
list-end = Das war alles.
list-cut = Es gibt { $n }, aber ich sehe nur die ersten { $shown }.
list-cut-more = Es gibt mehr als { $n }, aber ich sehe nur die ersten { $shown }.
list-total-more = Mehr als { $n } Ergebnisse.
list-only = { $n } von { $total } mit „{ $what }“.
list-seen = Ich konnte nur die ersten { $n } durchsehen.
list-narrow = Für die anderen wähle unten oder frag genauer.
list-narrow-day = Für die anderen frag nach einem einzelnen Tag.
nothing-of = { $about }: nichts gefunden.
result-none = Erledigt; mehr gibt es nicht zu sagen.
yes-word = ja
no-word = nein
items = { $n ->
    [one] { $n } Eintrag
   *[other] { $n } Einträge
}

## Das System dahinter
away = { $system } ist gerade nicht erreichbar. Bitte versuch es in ein paar Minuten noch einmal.
away-effect = { $system } ist gerade nicht erreichbar. Es wurde noch nichts gemacht.
unknown-found = { $system } hat nicht geantwortet, nachdem ich das gesendet hatte. Ich habe nachgesehen: Es ist da.
unknown-open = { $system } hat nicht geantwortet, nachdem ich das gesendet hatte. Ich habe nachgesehen und sehe es noch nicht. Bitte sende es nicht noch einmal; ich schreibe in ein paar Minuten.
unknown-unchecked = { $system } hat nicht geantwortet, nachdem ich das gesendet hatte. Ich weiß also nicht, ob es gemacht wurde. Bitte sende es nicht noch einmal, bevor du nachgesehen hast.
unknown-lookup = { $system } hat nicht geantwortet. Bitte versuch es noch einmal.
unknown-again = { $system } hat nicht geantwortet, nachdem ich das gesendet hatte. Bitte sende es nicht noch einmal; ich kläre es und schreibe in ein paar Minuten.
act-away-later = { $system } ist gerade nicht erreichbar. Ich versuche es noch { $n ->
    [one] { $n } Minute
   *[other] { $n } Minuten
} lang und sage dir Bescheid; es wurde noch nichts gemacht.
act-away-still = { $system } ist noch nicht erreichbar. Ich versuche es weiter und sage dir Bescheid; es wurde noch nichts gemacht.
act-away-final = { $system } ist immer noch nicht erreichbar; es wurde nichts gemacht: { $what }. Noch einmal versuchen?
act-away-ended = { $system } ist immer noch nicht erreichbar, deshalb versuche ich es nicht weiter; es wurde nichts gemacht: { $what }.
later-stopped = Gut, ich versuche es nicht weiter; es wurde nichts gemacht: { $what }.
later-stopped-unknown = Gut, ich höre auf. Ich weiß nicht, ob das gemacht wurde: { $what }. Bitte sieh nach, bevor du es noch einmal sendest.
later-found = { $what }: Ich habe noch einmal nachgesehen, und es ist da.
later-not-seen = Ich habe noch einmal nachgesehen und sehe es immer noch nicht: { $what }. Ich kann nicht sagen, ob es gemacht wurde; bitte sieh nach, bevor du es noch einmal sendest.
later-unknown = { $system } antwortet immer noch nicht. Ich kann also nicht sagen, ob das gemacht wurde: { $what }. Bitte sieh nach, bevor du es noch einmal sendest.
later-refused = { $system } hat es abgelehnt, als ich es noch einmal gesendet habe. Ich kann also nicht sagen, ob das erste Mal gegolten hat: { $what }. Bitte sieh nach, bevor du es noch einmal sendest.
later-still-unknown = { $system } antwortet immer noch nicht. Ich versuche es weiter und sage dir Bescheid; bitte sende es nicht noch einmal.
later-still-not-seen = Ich habe noch einmal nachgesehen und sehe es noch nicht. Bitte sende es nicht noch einmal; ich sehe wieder nach und schreibe.
later-gone = { $system } bietet das nicht mehr an, deshalb versuche ich es nicht weiter; es wurde nichts gemacht: { $what }.
later-broken = Entschuldige, bei mir ist etwas schiefgegangen, deshalb versuche ich es nicht weiter. Es wurde nichts gemacht.
refused = Das wurde abgelehnt.
refused-taken = Das passt nicht zu dem, was jetzt da ist.
alternatives = Stattdessen möglich: { $list }.
no-credentials = Ich kann mich nicht anmelden ({ $system }), deshalb wurde nichts gemacht. Deine Administration muss den Zugang korrigieren.
forbidden = { $system } erlaubt mir das nicht. Deine Administration kann das ändern.
gone = Das finde ich nicht; vielleicht wurde es entfernt.
busy = { $system } hat gerade zu viel zu tun. Bitte versuch es in einer Minute noch einmal.
broken = { $system } hat gerade ein Problem. Bitte versuch es später noch einmal.
broken-effect = { $system } hat ein Problem gemeldet. Ich weiß also nicht, ob es gemacht wurde. Bitte sieh nach, bevor du es noch einmal sendest.
the-system = das System
not-callable = Das kann ich noch nicht: { $title }.
sorry = Entschuldige, bei mir ist etwas schiefgegangen. Bitte schreib es noch einmal.

## Wer jemand ist
who-unknown = Ich finde dich nicht in den Daten ({ $system }), deshalb kann ich nur Allgemeines zeigen. Deine Administration kann dich eintragen.
who-share = Teile mir hier deinen eigenen Kontakt, dann finde ich dich über deine Nummer.
who-unchecked = Ich kann gerade nicht prüfen, wer du bist. Bitte versuch es in ein paar Minuten noch einmal.

## Falsch, ein Mensch, andere Arten von Nachrichten
wrong-ask = Das tut mir leid. Was war falsch?
wrong-thanks = Danke, ich habe es notiert. Möchtest du mit einem Menschen sprechen?
person = Ich habe notiert, dass du mit einem Menschen sprechen möchtest. Ich kann dich nicht selbst verbinden; bitte nimm deinen üblichen Kontakt.
kind-voice = Sprachnachrichten kann ich noch nicht anhören. Kannst du es in einem Satz schreiben?
kind-picture = Bilder kann ich noch nicht ansehen. Kannst du es in einem Satz schreiben?
kind-file = Dateien kann ich noch nicht öffnen. Kannst du es in einem Satz schreiben?
kind-place = Orte auf einer Karte kann ich noch nicht lesen. Kannst du die Adresse schreiben?
kind-other = So eine Nachricht kann ich noch nicht lesen. Kannst du es in einem Satz schreiben?
