//! Words by which a language is known, folded, parted by spaces.

/// Function words of English.
pub const EN: &str = "
    a an the is are was were be am i i'd i'll i'm me my mine you your we our us it its he she they this that
    these those of in on at to for from with by about and or but not no yes do does did can could would will
    please which what where when who how why show tell give get want need have has had there any some all one
    until till next today tomorrow list find hello hi thanks new it's what's let like just also so if
";

/// Function words of Croatian.
pub const HR: &str = "
    je su sam si smo ste biti bi bih se mi ti me te ga mu joj nam vam moj moja moje moju moji nas vas ja on ona
    ono oni u na za od iz s sa po pri kod ili ali ne da koji koja koje koju kojih sto gdje kada kad tko kako
    zasto koliko pokazi reci daj zelim trebam imam ima imamo hocu molim sve svi sva neki neka ovo to taj ta ovaj
    ova danas sutra prekosutra jucer jedan jedna jedno jednu hvala bok pozdrav dobar dan li jos prijavi upisi
    popis nadi trazi odustani krivo mogu moze nije nisu ipak do i a o tu
";

/// Function words of German, umlauts also as people write them without the keys for it.
pub const DE: &str = "
    der die das den dem des ein eine einen einem einer eines kein keine keinen ich mich mir mein meine meinen
    meinem meiner meines du dich dir dein deine wir uns unser unsere sie er es ihr ihm ihn man ist sind waren
    sein habe hab haben hast hatte hatten wird werden wurde wurden kann kannst konnen koennen konnte konntest
    koennte koenntest mag mochte moechte will willst soll sollte muss mussen muessen darf und oder aber nicht
    nichts ja nein doch auch noch nur schon mal bitte danke so dann danach jetzt gern gerne hier dort was wer
    wen wem wie wo wann warum welche welcher welches welchen welchem wieviel viel viele alle alles allen in im
    an am auf aus bei beim mit nach von vom vor zu zum zur fur fuer uber ueber bis ab um durch ohne gegen
    zwischen seit wenn dass weil ob diese dieser dieses diesen diesem zeig zeige zeigen gib gibt geben sag sage
    such suche finde brauche brauchen heute morgen ubermorgen uebermorgen gestern uhr hallo sieht nimm nehme
    sonst also lieber erst etwa spatestens spaetestens ganzen ganztagig
";

/// Function words of Spanish.
pub const ES: &str = "
    el la los las lo un una unos unas de del al a en con por para sobre entre desde hasta y o e que cual cuales
    quien como donde cuando cuanto cuanta cuantos cuantas es esta estan estoy esto este estos estas ese esa eso
    esos esas hay ser era fue soy eres yo tu usted me te se le les nos mi mis mio mia mios mias su sus no si
    pero mas muy ya tambien tengo tiene tienes tienen tenemos quiero quisiera querria puedo puedes puede podria
    podrias necesito muestra muestrame ensename dame dime busca ver favor gracias hola vale hoy manana ayer
    pasado otro otra todo toda todos todas algun alguna algunos nada porque cosa tal aqui ahora solo mejor
    partir mismo misma ha han
";

/// Words of English that do name something: what people do and ask for by message.
pub const EN_SIGNS: &str = "
    cancel help back wrong change more hey morning second first free booked available monday tuesday wednesday
    thursday friday saturday sunday book books open week month until yesterday afternoon
    evening person thank extend borrow report reserve day after
";

/// Words of Croatian that do name something: what people do and ask for by message.
pub const HR_SIGNS: &str = "
    pomoc natrag promijeni dalje nista jutro vecer osobu hej drugi druga prvi prva rezerviraj slobodno slobodne
    slobodni slobodna ponedjeljak utorak srijeda srijedu cetvrtak petak subota subotu nedjelja nedjelju tjedan
    mjesec otkazi produzi posudi prikazi moze dobro vise crvenu plavu popodne ujutro
";

/// Words of German that do name something: what people do and ask for by message.
pub const DE_SIGNS: &str = "
    war hat bin gut hilfe abbrechen zuruck zurueck falsch mehr weiter andern aendern mensch menschen zweite
    zweiten erste ersten dritte dritten letzte letzten buche buch buchen gebucht buchung buchungen reserviere
    reservieren reservierung frei freie freien verfugbar verfuegbar montag dienstag mittwoch donnerstag freitag
    samstag sonntag woche monat tag vormittag nachmittag abend mittag fruh frueh stornieren storniere verlangern
    verlangere verlaengern verlaengere ausleihen melde melden andere nachste nachsten naechste naechsten halb
    viertel guten tschuss klar genau stimmt schaden termin zimmer raum raume raeume
";

/// Words of Spanish that do name something: what people do and ask for by message.
pub const ES_SIGNS: &str = "
    ayuda cancelar cancela atras volver cambiar cambia persona incorrecto segundo segunda primero primera
    tercero tercera ultimo ultima reserva reservas reservar reservame reservalo reservala cancelalo cancelala
    reservado reservada libre libres disponible disponibles lunes martes miercoles jueves viernes sabado domingo
    semana mes dia tarde noche siguiente proximo proxima claro correcto buenos buenas dias adelante anular
    prestamo prestamos prestado libro libros sala salas media cuarto despues hora horas anade llevo averia cita
    citas igual
";
