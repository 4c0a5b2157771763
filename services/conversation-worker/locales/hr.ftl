# Sve što sam proizvod kaže, na hrvatskom. Kratko, prijazno, točno.

## Pozdrav i pomoć
hello = Bok!
hello-name = Bok, { $name }!
can-do = Mogu pomoći oko ovoga: { $list }. Što trebaš?
can-do-plain = Što trebaš?
help = Mogu pomoći oko ovoga: { $list }. Samo napiši što trebaš. Uvijek možeš napisati: odustani, natrag, pomoć, osoba, krivo.
help-plain = Samo napiši što trebaš. Uvijek možeš napisati: odustani, natrag, pomoć, osoba, krivo.
not-sure = Misliš li na:
nothing-near = S tim ne mogu pomoći. Mogu pomoći oko ovoga: { $list }.
nothing-near-plain = S tim ne mogu pomoći.
welcome = Nema na čemu.

## Gumbi, najviše 20 znakova
button-yes = Da
button-no = Ne
button-change = Promijeni
button-cancel = Odustani
button-more = Još
button-all = Sve
button-help = Pomoć
button-person = Osoba
button-retry = Pokušaj ponovno
button-other-time = Drugo vrijeme
button-choose = Odaberi
button-something-else = Nešto drugo
button-wrong-item = Krivi odabir
button-wrong-detail = Krivi podatak

## Prije i poslije učinka
act-yes = { $verb ->
    [record] Da, upiši
    [add] Da, dodaj
    [create] Da, napravi
    [report] Da, prijavi
    [change] Da, promijeni
    [update] Da, promijeni
    [move] Da, premjesti
    [set] Da, postavi
    [cancel] Da, otkaži
    [delete] Da, obriši
    [remove] Da, ukloni
    [send] Da, pošalji
    [return] Da, vrati
    [close] Da, zatvori
    [open] Da, otvori
    [order] Da, naruči
   *[other] Da, potvrđujem
}
act-plan = { $verb ->
    [record] Upisujem ({ $title }):
    [add] Dodajem ({ $title }):
    [create] Stvaram ({ $title }):
    [report] Prijavljujem ({ $title }):
    [change] Mijenjam ({ $title }):
    [update] Mijenjam ({ $title }):
    [cancel] Otkazujem ({ $title }):
    [delete] Brišem ({ $title }):
    [remove] Uklanjam ({ $title }):
    [send] Šaljem ({ $title }):
   *[other] Potvrdi, molim ({ $title }):
}
act-plan-plain = Potvrdi, molim: { $title }
act-done = { $verb ->
    [record] Upisano
    [add] Dodano
    [create] Napravljeno
    [report] Prijavljeno
    [change] Promijenjeno
    [update] Promijenjeno
    [move] Premješteno
    [set] Postavljeno
    [cancel] Otkazano
    [delete] Obrisano
    [remove] Uklonjeno
    [send] Poslano
    [return] Vraćeno
    [close] Zatvoreno
    [open] Otvoreno
    [order] Naručeno
   *[other] Gotovo
}
act-done-plain = Gotovo
changed = Promijenjeno: { $what }. Ostalo ostaje.
number-is = Broj { $number }.
cancelled = Dobro, ništa nije upisano.
lapsed = To o čemu sam pitao u međuvremenu se promijenilo, pa ništa nije upisano.
opted-out = Dobro, više ti neću slati poruke koje nisi tražio. I dalje odgovaram na ono što napišeš. Napiši KRENI ako ih opet želiš.
opted-in = Dobro, opet ćeš dobivati poruke. Napiši STOP kad ih više ne želiš.
left = Dobro.
too-late = To pitanje staro je { $n ->
    [1] minutu
    [2] dvije minute
    [3] tri minute
    [4] četiri minute
   *[other] { $n } minuta
}. Još uvijek { $what }?
see-first = Prvo pogledaj ovo, molim.
only-asked = To može potvrditi samo { $name }.
only-asked-plain = To može potvrditi samo osoba koju sam pitao.
no-question = Trenutačno nema otvorenog pitanja. Što trebaš?
old-button = Taj gumb više ne vrijedi.

## Pitanja
ask-which = { $title }: što odabireš?
ask-choice = { $title }?
ask-day = { $title }: koji dan?
ask-moment = { $title }: koji dan i sat?
ask-time = { $title }: u koliko sati? ({ $day })
ask-number = { $title }? Molim broj.
ask-text = { $title }?
ask-yes-no = { $title }: da ili ne?
ask-email = { $title }: koja e-mail adresa?
ask-photo = { $title }: pošalji sliku, molim.
ask-file = { $title }: pošalji sliku ili datoteku, molim.
can-add-photo = Možeš dodati fotografiju.
can-add-file = Možeš dodati fotografiju ili datoteku.
ask-change = Što treba promijeniti?
ask-change-none = Tu se nema što promijeniti.
two-fit = { $n ->
    [one] Odgovara { $n }.
    [few] Odgovaraju { $n }.
   *[other] Odgovara ih { $n }.
} Što odabireš?
two-fit-of = { $n ->
    [one] Odgovara { $n }
    [few] Odgovaraju { $n }
   *[other] Odgovara ih { $n }
}: { $shared }. Što odabireš?
not-there = To ne nalazim. Ovo postoji:
no-rows = Nema ničega za odabir: { $title }.
what-name = Ima ih { $n }. Ovo su prvi; možeš napisati i naziv.

## Problemi s podatkom
bad-date = { $day }. { $month } ne postoji. Na koji dan misliš?
problem-order = Kraj mora biti nakon početka.
problem-least = { $title }: najmanje { $least }, molim.
problem-most = { $title }: najviše { $most }, molim.
problem-short = { $title }: to je prekratko.
problem-long = { $title }: to je predugačko.
problem-number = { $title }: to mora biti broj.
problem-day = { $title }: ne razumijem taj dan. Na primjer: { $example }.
problem-choice = { $title }: odaberi jedno od ovoga.
problem-form = { $title }: to ne izgleda ispravno.
problem-example = Na primjer: { $example }.
problem-email = { $title }: to nije e-mail adresa.
problem-file = { $title }: to mora biti slika ili datoteka.
picture-lost = Nisam uspio dobiti sliku; pošalji je ponovno, molim.
file-lost = Nisam uspio dobiti datoteku; pošalji je ponovno, molim.
picture-too-large = Slika je prevelika. Najviše { $most }, molim.
file-too-large = Datoteka je prevelika. Najviše { $most }, molim.
picture-word = slika
file-word = datoteka
file-not-sent = Ovdje ti ne mogu poslati: { $what }.
file-not-passed-on = Odgovor je datoteka veća od { $most }; ne mogu je proslijediti.
file-not-kept = Odgovor je stigao kao datoteka ({ $what }) koju nisam uspio spremiti, pa je ne mogu proslijediti.
file-kind = { $title }: takva datoteka ne odgovara. Pošalji drugu, molim.
file-kind-of = { $title }: takva datoteka ne odgovara. Pošalji jednu od ovih, molim: { $what }.
file-full = { $title }: više datoteka ne stane.

## Rezultati
list-total = { $n ->
    [one] { $n } rezultat.
    [few] { $n } rezultata.
   *[other] { $n } rezultata.
}
list-first = Prvih { $n }:
list-next = { $n ->
    [1] Sljedeći:
    [2] Sljedeća 2:
    [3] Sljedeća 3:
    [4] Sljedeća 4:
   *[other] Sljedećih { $n }:
}
list-end = To je bilo sve.
list-cut = Ima ih { $n }, ali vidim samo prvih { $shown }.
list-cut-more = Ima ih više od { $n }, ali vidim samo prvih { $shown }.
list-total-more = Više od { $n } rezultata.
list-only = { $n } od { $total } s „{ $what }”.
list-seen = Mogao sam pogledati samo prvih { $n }.
list-narrow = Za ostale odaberi ispod ili pitaj točnije.
list-narrow-day = Za ostale pitaj za jedan dan.
nothing-of = { $about }: nema ničega.
result-none = Gotovo; nema se više što reći.
yes-word = da
no-word = ne
items = { $n ->
    [one] { $n } stavka
    [few] { $n } stavke
   *[other] { $n } stavki
}

## Pozadinski sustav
away = { $system } sada nije dostupan. Pokušaj ponovno za nekoliko minuta.
away-effect = { $system } sada nije dostupan. Ništa još nije upisano.
unknown-found = { $system } nije odgovorio nakon što sam ovo poslao. Provjerio sam: upisano je.
unknown-open = { $system } nije odgovorio nakon što sam ovo poslao. Provjerio sam i još ne vidim. Nemoj slati ponovno; javit ću se za nekoliko minuta.
unknown-unchecked = { $system } nije odgovorio nakon što sam ovo poslao, pa ne znam je li upisano. Nemoj slati ponovno prije nego što provjeriš.
unknown-lookup = { $system } nije odgovorio. Pokušaj ponovno.
unknown-again = { $system } nije odgovorio nakon što sam ovo poslao. Nemoj slati ponovno; provjerit ću i javiti se za nekoliko minuta.
act-away-later = { $system } sada nije dostupan. Pokušavat ću još { $n ->
    [one] { $n } minutu
    [few] { $n } minute
   *[other] { $n } minuta
} i javiti ti; ništa još nije upisano.
act-away-still = { $system } još nije dostupan. I dalje pokušavam i javit ću ti; ništa još nije upisano.
act-away-final = { $system } još nije dostupan; ništa nije upisano: { $what }. Da pokušam ponovno?
act-away-ended = { $system } još nije dostupan, pa više ne pokušavam; ništa nije upisano: { $what }.
later-stopped = Dobro, više ne pokušavam; ništa nije upisano: { $what }.
later-stopped-unknown = Dobro, više ne pokušavam. Ne znam je li ovo upisano: { $what }. Provjeri prije nego što pošalješ ponovno.
later-found = { $what }: provjerio sam ponovno i upisano je.
later-not-seen = Provjerio sam ponovno i još ne vidim: { $what }. Ne mogu reći je li upisano; provjeri prije nego što pošalješ ponovno.
later-unknown = { $system } i dalje ne odgovara, pa ne mogu reći je li ovo upisano: { $what }. Provjeri prije nego što pošalješ ponovno.
later-refused = { $system } je odbio kad sam poslao ponovno, pa ne mogu reći je li prvo upisano: { $what }. Provjeri prije nego što pošalješ ponovno.
later-still-unknown = { $system } i dalje ne odgovara. I dalje pokušavam i javit ću ti; nemoj slati ponovno.
later-still-not-seen = Provjerio sam ponovno i još ne vidim. Nemoj slati ponovno; pogledat ću opet i javiti se.
later-gone = { $system } to više ne nudi, pa više ne pokušavam; ništa nije upisano: { $what }.
later-broken = Oprosti, kod mene je nešto pošlo po krivu, pa više ne pokušavam. Ništa nije upisano.
refused = To je odbijeno.
refused-taken = To se ne slaže s trenutačnim stanjem.
alternatives = Umjesto toga moguće je: { $list }.
no-credentials = Ne mogu se prijaviti u { $system }, pa ništa nije napravljeno. Administrator mora ispraviti pristup.
forbidden = { $system } mi to ne dopušta. Administrator to može promijeniti.
gone = To ne nalazim; možda je uklonjeno.
busy = { $system } sada ima previše posla. Pokušaj ponovno za minutu.
broken = { $system } sada ima poteškoća. Pokušaj ponovno kasnije.
broken-effect = { $system } je prijavio poteškoću, pa ne znam je li upisano. Provjeri prije nego što pošalješ ponovno.
the-system = Sustav
not-callable = To još ne mogu: { $title }.
sorry = Oprosti, kod mene je nešto pošlo po krivu. Napiši ponovno, molim.

## Tko je tko
who-unknown = Ne nalazim te u evidenciji sustava { $system }, pa mogu pokazati samo opće podatke. Administrator te može dodati.
who-share = Podijeli ovdje svoj vlastiti kontakt pa ću te potražiti po broju.
who-unchecked = Sada ne mogu provjeriti tko si. Pokušaj ponovno za nekoliko minuta.

## Krivo, osoba, druge vrste poruka
wrong-ask = Žao mi je. Što nije bilo dobro?
wrong-thanks = Hvala, zabilježeno. Želiš razgovarati s osobom?
person = Zabilježio sam da želiš razgovarati s osobom. Ne mogu te sam spojiti; javi se svom uobičajenom kontaktu.
kind-voice = Glasovne poruke još ne mogu slušati. Možeš li to napisati u rečenici?
kind-picture = Slike još ne mogu gledati. Možeš li to napisati u rečenici?
kind-file = Datoteke još ne mogu otvarati. Možeš li to napisati u rečenici?
kind-place = Mjesta na karti još ne mogu koristiti. Možeš li napisati adresu?
kind-other = Takvu poruku još ne mogu pročitati. Možeš li to napisati u rečenici?
