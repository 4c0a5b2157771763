//! Phrases that steer a dialogue, by meaning: folded, parted by commas, the languages one after the other.

use super::control::Control;

/// Their order does not matter: the whole message is compared.
pub const PHRASES: &[(Control, &str)] = &[
    (
        Control::Yes,
        "
        yes, y, yep, yeah, yes please, sure, ok, okay, ok yes, go ahead, do it, confirm, i confirm, correct,
        that's right, thats right, of course, please do, yes do it, fine, da, moze, naravno, u redu, tako je,
        potvrdujem, potvrdi, da molim, jasno, slazem se, da da, da moze, ajde, vazi, dobro, ja, ja bitte,
        ja gerne, ja gern, ja genau, ja klar, ja mach das, ja bestatigen, ja ja, jep, jawohl, klar, na klar,
        klar doch, gern, gerne, genau, stimmt, das stimmt, richtig, passt, das passt, in ordnung, einverstanden,
        naturlich, naturlich gerne, natuerlich, selbstverstandlich, mach das, mach es, bestatige, bestatigt,
        bestatigen, ich bestatige, bestaetige, auf jeden fall, alles klar, sicher, gut, si, si si, si claro,
        si gracias, claro, claro que si, por supuesto, vale, si vale, ok vale, vale si, de acuerdo, correcto,
        es correcto, exacto, eso es, asi es, esta bien, si esta bien, confirmo, lo confirmo, confirmado,
        confirma, confirmar, si confirmo, hazlo, si hazlo, adelante, si adelante, perfecto, dale, venga,
        desde luego
    ",
    ),
    (
        Control::No,
        "
        no, n, nope, no thanks, not really, ne, ne hvala, nemoj, nikako, nein, nee, nein danke, nein nein,
        lieber nicht, auf keinen fall, nicht jetzt, no gracias, no no, mejor no, para nada, de ninguna manera,
        ahora no
    ",
    ),
    (
        Control::Cancel,
        "
        cancel, cancel it, cancel that, stop, abort, forget it, never mind, nevermind, quit, leave it, odustani,
        odustajem, prekini, zaboravi, nista, stani, ponisti, ipak ne, nema veze, abbrechen, abbruch, brich ab,
        breche ab, abbrechen bitte, stopp, halt, vergiss es, vergiss das, lass es, lass das, lass gut sein,
        lassen wir es, doch nicht, dann doch nicht, lieber doch nicht, beenden, nichts, cancelar, cancela,
        cancelalo, cancela eso, anular, anulalo, olvidalo, olvida eso, dejalo, dejalo estar, dejemoslo, nada,
        detente, para ya, mejor nada, al final no, no nada
    ",
    ),
    (
        Control::Back,
        "
        back, go back, one step back, previous, natrag, nazad, vrati se, korak natrag, zuruck, zurueck,
        einen schritt zuruck, einen schritt zurueck, ein schritt zuruck, geh zuruck, atras, volver, vuelve,
        vuelve atras, volver atras, un paso atras, regresar, anterior, ir atras
    ",
    ),
    (
        Control::Help,
        "
        help, help me, what can you do, what can i do, menu, commands, how does this work, ?, pomoc, upomoc,
        pomozi, pomozi mi, sto mozes, sto sve mozes, sto znas, izbornik, kako ovo radi, hilfe, hilf mir,
        ich brauche hilfe, was kannst du, was kannst du alles, was kannst du tun, was kann ich tun,
        was kann ich hier tun, menue, befehle, wie funktioniert das, wie geht das, ayuda, ayudame,
        necesito ayuda, que puedes hacer, que sabes hacer, que puedo hacer, en que puedes ayudarme, comandos,
        como funciona, como funciona esto
    ",
    ),
    (
        Control::Person,
        "
        a person, a person please, person, human, a human, a human please, agent, operator, talk to a person,
        talk to a human, i want to talk to a person, i want a person, i need a person, let me talk to a person,
        speak to a person, real person, covjek, osoba, osobu, osobu molim, zelim osobu,
        zelim razgovarati s osobom, zivu osobu, agenta, operatera, razgovor s osobom, s osobom, zelim covjeka,
        trebam osobu, osoba molim, mensch, ein mensch, einen menschen, mit einem menschen,
        mit einem menschen sprechen, ich mochte mit einem menschen sprechen,
        ich moechte mit einem menschen sprechen, ich will mit einem menschen sprechen,
        ich will mit einem menschen reden, ich mochte mit jemandem sprechen, ich brauche einen menschen,
        kann ich mit einem menschen sprechen, echter mensch, eine person, mit einer person sprechen,
        mitarbeiter, einen mitarbeiter, mit einem mitarbeiter sprechen, persona, una persona, una persona real,
        con una persona, hablar con una persona, quiero hablar con una persona, quiero una persona,
        necesito una persona, puedo hablar con una persona, quiero hablar con alguien, hablar con alguien,
        humano, un humano, hablar con un humano, quiero hablar con un humano, agente, un agente,
        hablar con un agente, operador, un operador, persona real
    ",
    ),
    (
        Control::Wrong,
        "
        wrong, that's wrong, thats wrong, that is wrong, this is wrong, not right, incorrect, that's not right,
        wrong answer, that's not what i asked, that's not what i meant, krivo, to je krivo, pogresno,
        to je pogresno, netocno, nije tocno, nije dobro, krivi odgovor, falsch, das ist falsch, das war falsch,
        ist falsch, leider falsch, stimmt nicht, das stimmt nicht, das stimmt so nicht, nicht richtig,
        das ist nicht richtig, nicht korrekt, falsche antwort, das meinte ich nicht, das habe ich nicht gefragt,
        danach habe ich nicht gefragt, incorrecto, es incorrecto, eso es incorrecto, equivocado, esta mal,
        eso esta mal, no es correcto, eso no es correcto, no esta bien, eso no esta bien, respuesta incorrecta,
        respuesta equivocada, eso no es lo que pregunte, no es lo que pregunte, eso no es lo que pedi,
        no es lo que pedi
    ",
    ),
    (
        Control::Greeting,
        "
        hi, hello, hey, hi there, hello there, good morning, good afternoon, good evening, good day, start, bok,
        bog, pozdrav, hej, zdravo, cao, dobar dan, dobro jutro, dobra vecer, dobro vece, halo, hallo, ej,
        hallo zusammen, guten tag, guten morgen, guten abend, servus, moin, moin moin, gruss dich, gruss gott,
        gruezi, hola, hola buenas, hola buenos dias, hola buenas tardes, hola que tal, buenas, buenos dias,
        buen dia, buenas tardes, buenas noches, muy buenas, saludos
    ",
    ),
    (
        Control::Change,
        "
        change, change it, change that, edit, change something, promijeni, promjeni, izmijeni, uredi, ispravi,
        promijeni to, andern, aendern, etwas andern, etwas aendern, andere es, andere das, andere etwas,
        bearbeiten, korrigieren, korrigiere, ich mochte etwas andern, cambiar, cambia, cambialo, cambiarlo,
        cambiar algo, cambia eso, quiero cambiar algo, modificar, modifica, editar, corregir, corrige
    ",
    ),
    (
        Control::More,
        "
        more, show more, next, more please, the rest, go on, continue, show me more, jos, vise, dalje,
        pokazi jos, pokazi vise, sljedece, nastavi, ostalo, mehr, noch mehr, mehr davon, mehr anzeigen,
        zeig mehr, zeig mir mehr, zeige mehr, weiter, weitere, die nachsten, die naechsten, der rest, den rest,
        mas, ver mas, muestra mas, muestrame mas, dame mas, los siguientes, las siguientes, siguiente,
        siguientes, sigue, seguir, continua, continuar, el resto, los demas
    ",
    ),
    (
        Control::Thanks,
        "
        thanks, thank you, thx, great thanks, thank you very much, hvala, hvala lijepa, puno hvala, fala, danke,
        danke dir, danke schon, dankeschon, danke sehr, vielen dank, besten dank, super danke, alles klar danke,
        gracias, muchas gracias, muchisimas gracias, mil gracias, gracias a ti, ok gracias, vale gracias
    ",
    ),
];
