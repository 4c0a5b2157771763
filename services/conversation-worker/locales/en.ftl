# Everything the product itself says, in English. Short, friendly, exact.

## Greeting and help
hello = Hello!
hello-name = Hello { $name }!
can-do = I can help with: { $list }. What do you need?
can-do-plain = What do you need?
help = I can help with: { $list }. Just write what you need in a sentence. You can always write: cancel, back, help, a person, wrong.
help-plain = Just write what you need in a sentence. You can always write: cancel, back, help, a person, wrong.
not-sure = Do you mean:
nothing-near = I can't help with that. I can help with: { $list }.
nothing-near-plain = I can't help with that.
welcome = You're welcome.

## Buttons, at most 20 characters
button-yes = Yes
button-no = No
button-change = Change
button-cancel = Cancel
button-more = More
button-all = All of them
button-help = Help
button-person = A person
button-retry = Try again
button-other-time = Other time
button-choose = Choose
button-something-else = Something else
button-wrong-item = Wrong choice
button-wrong-detail = Wrong detail

## Before and after an effect
act-yes = Yes, { $verb }
act-plan = I'd { $plain }:
act-plan-plain = Please confirm: { $title }
act-done = { $done }
act-done-plain = Done
changed = Changed: { $what }. The rest stays.
number-is = Number { $number }.
cancelled = Okay, nothing was done.
lapsed = What I asked about has changed meanwhile, so nothing was done.
opted-out = Okay, you get no more messages that you did not ask for. I still answer what you write. Write START to get them again.
opted-in = Good, you get messages again. Write STOP at any time to end them.
left = Okay.
too-late = That question is { $n ->
    [1] one minute
    [2] two minutes
    [3] three minutes
   *[other] { $n } minutes
} old. Still { $what }?
see-first = Please look at this first.
only-asked = Only { $name } can confirm this.
only-asked-plain = Only the person who was asked can confirm this.
no-question = There is nothing open right now. What do you need?
old-button = That button no longer works.

## Asking
ask-which = Which { $title }?
ask-choice = { $title }?
ask-day = { $title }: which day?
ask-moment = { $title }: which day and time?
ask-time = { $title }: what time on { $day }?
ask-number = { $title }? A number, please.
ask-text = { $title }?
ask-yes-no = { $title }: yes or no?
ask-email = { $title }: which e-mail address?
ask-photo = { $title }: please send a picture.
ask-file = { $title }: please send a picture or a file.
can-add-photo = You can add a photo.
can-add-file = You can add a photo or a file.
ask-change = What should be different?
ask-change-none = There is nothing to change in it.
two-fit = { $n } fit. Which one?
two-fit-of = { $n } fit: { $shared }. Which one?
not-there = I don't find that. These are there:
no-rows = I find nothing to choose from for { $title }.
what-name = There are { $n } of them. These are the first; you can also write a name.

## Problems with a value
bad-date = { $day } { $month } does not exist. Which day do you mean?
problem-order = The end has to be after the beginning.
problem-least = { $title }: at least { $least }, please.
problem-most = { $title }: at most { $most }, please.
problem-short = { $title }: that is too short.
problem-long = { $title }: that is too long.
problem-number = { $title } has to be a number.
problem-day = { $title }: I don't understand that day. For example: { $example }.
problem-choice = { $title }: please choose one of these.
problem-form = { $title }: that doesn't look right.
problem-example = For example: { $example }.
problem-email = { $title }: that is no e-mail address.
problem-file = { $title } has to be a picture or a file.
picture-lost = I could not get the picture; please send it again.
file-lost = I could not get the file; please send it again.
picture-too-large = The picture is too large. At most { $most }, please.
file-too-large = The file is too large. At most { $most }, please.
picture-word = a picture
file-word = a file
file-not-sent = I could not send you { $what } here.
file-not-passed-on = The answer is a file of more than { $most }, which I cannot pass on.
file-not-kept = The answer came as a file ({ $what }) that I could not keep, so I cannot pass it on.
file-kind = { $title }: this kind of file does not fit. Please send another one.
file-kind-of = { $title }: this kind of file does not fit. Please send one of these: { $what }.
file-full = { $title }: no more files fit.

## Results
list-total = { $n ->
    [one] { $n } result.
   *[other] { $n } results.
}
list-first = The first { $n }:
list-next = { $n ->
    [1] The next one:
   *[other] The next { $n }:
}
list-end = That was all.
list-cut = There are { $n }, but I can only see the first { $shown }.
list-cut-more = There are more than { $n }, but I can only see the first { $shown }.
list-total-more = More than { $n } results.
list-only = { $n } of { $total } with “{ $what }”.
list-seen = I could only look through the first { $n }.
list-narrow = For the others, choose below or ask again more exactly.
list-narrow-day = For the others, ask again for one day.
nothing-of = { $about }: nothing found.
result-none = Done; there is nothing more to tell.
yes-word = yes
no-word = no
items = { $n ->
    [one] { $n } entry
   *[other] { $n } entries
}

## The backend
away = I can't reach { $system } right now. Please try again in a few minutes.
away-effect = I can't reach { $system } right now. Nothing was done yet.
unknown-found = { $system } did not answer after I sent this. I checked: it is there.
unknown-open = { $system } did not answer after I sent this. I checked and don't see it yet. Please don't send it again; I'll write in a few minutes.
unknown-unchecked = { $system } did not answer after I sent this, so I don't know whether it was done. Please don't send it again before you have checked.
unknown-lookup = { $system } did not answer. Please try again.
unknown-again = { $system } did not answer after I sent this. Please don't send it again; I'll make sure and write in a few minutes.
act-away-later = I can't reach { $system } right now. I'll try again for { $n } minutes and tell you; nothing is { $done } yet.
act-away-still = I still can't reach { $system }. I'm still trying and will tell you; nothing is { $done } yet.
act-away-final = I still can't reach { $system }; nothing is { $done }: { $what }. Try again?
act-away-ended = I still can't reach { $system }, so I've stopped trying; nothing is { $done }: { $what }.
later-stopped = Okay, I've stopped trying; nothing was done: { $what }.
later-stopped-unknown = Okay, I've stopped. I don't know whether this was done: { $what }. Please check before you send it again.
later-found = { $what }: I checked again, and it is there.
later-not-seen = I checked again and still don't see it: { $what }. I can't say whether it was done; please check before you send it again.
later-unknown = { $system } still does not answer, so I can't say whether this was done: { $what }. Please check before you send it again.
later-refused = { $system } refused it when I sent it again, so I can't say whether the first one was done: { $what }. Please check before you send it again.
later-still-unknown = { $system } still does not answer. I'm still trying and will tell you; please don't send it again.
later-still-not-seen = I checked again and don't see it yet. Please don't send it again; I'll look again and write.
later-gone = { $system } does not offer this any more, so I've stopped trying; nothing was done: { $what }.
later-broken = Sorry, something went wrong on my side, so I've stopped trying. Nothing was done.
refused = That was refused.
refused-taken = That does not fit with what is there now.
alternatives = Possible instead: { $list }.
no-credentials = I can't sign in to { $system }, so nothing was done. Your administrator has to correct its access.
forbidden = { $system } does not let me do that. Your administrator can change it.
gone = I don't find that; it may have been removed.
busy = { $system } has too much to do right now. Please try again in a minute.
broken = { $system } has a problem right now. Please try again later.
broken-effect = { $system } reported a problem, so I don't know whether it was done. Please check before you send it again.
the-system = the system
not-callable = I can't do that yet: { $title }.
sorry = Sorry, something went wrong on my side. Please write it again.

## Who somebody is
who-unknown = I don't find you in the records of { $system }, so I can only show general information. Your administrator can add you.
who-share = Share your own contact with me here, and I look you up by your number.
who-unchecked = I can't check who you are right now. Please try again in a few minutes.

## Wrong, a person, other kinds
wrong-ask = I'm sorry. What was wrong?
wrong-thanks = Thank you, I've noted it. Would you like to talk to a person?
person = I've noted that you would like to talk to a person. I can't connect you myself; please use your usual contact.
kind-voice = I can't listen to voice messages yet. Could you write it in a sentence?
kind-picture = I can't look at pictures yet. Could you write it in a sentence?
kind-file = I can't open files yet. Could you write it in a sentence?
kind-place = I can't use places on a map yet. Could you write the address?
kind-other = I can't read this kind of message yet. Could you write it in a sentence?
