# Todo lo que dice el propio producto, en español. Breve, amable, exacto.

## Saludo y ayuda
hello = ¡Hola!
hello-name = ¡Hola, { $name }!
can-do = Puedo ayudarte con esto: { $list }. ¿Qué necesitas?
can-do-plain = ¿Qué necesitas?
help = Puedo ayudarte con esto: { $list }. Escribe en una frase lo que necesitas. Siempre puedes escribir: cancelar, atrás, ayuda, una persona, incorrecto.
help-plain = Escribe en una frase lo que necesitas. Siempre puedes escribir: cancelar, atrás, ayuda, una persona, incorrecto.
not-sure = ¿Quieres decir...?
nothing-near = Con eso no puedo ayudarte. Puedo ayudarte con esto: { $list }.
nothing-near-plain = Con eso no puedo ayudarte.
welcome = De nada.

## Botones, como mucho 20 caracteres
button-yes = Sí
button-no = No
button-change = Cambiar
button-cancel = Cancelar
button-more = Más
button-all = Todo
button-help = Ayuda
button-person = Una persona
button-retry = Reintentar
button-other-time = Otra hora
button-choose = Elegir
button-something-else = Otra cosa
button-wrong-item = Elección errónea
button-wrong-detail = Dato erróneo

## Antes y después de un efecto
act-yes = { $verb ->
    [book] Sí, reservar
    [reserve] Sí, reservar
    [record] Sí, anotar
    [log] Sí, anotar
    [enter] Sí, anotar
    [register] Sí, registrar
    [add] Sí, añadir
    [create] Sí, crear
    [report] Sí, avisar
    [request] Sí, solicitar
    [borrow] Sí, tomar prestado
    [lend] Sí, prestar
    [extend] Sí, prorrogar
    [renew] Sí, renovar
    [change] Sí, cambiar
    [update] Sí, cambiar
    [edit] Sí, cambiar
    [move] Sí, mover
    [reschedule] Sí, mover
    [set] Sí, fijar
    [cancel] Sí, anular
    [delete] Sí, borrar
    [remove] Sí, quitar
    [send] Sí, enviar
    [return] Sí, devolver
    [close] Sí, cerrar
    [open] Sí, abrir
    [order] Sí, pedir
    [buy] Sí, comprar
    [pay] Sí, pagar
    [approve] Sí, aprobar
    [reject] Sí, rechazar
    [start] Sí, empezar
    [stop] Sí, detener
   *[other] Sí, confirmo
}
act-plan = { $verb ->
    [book] Voy a reservar ({ $title }):
    [reserve] Voy a reservar ({ $title }):
    [record] Voy a anotar ({ $title }):
    [log] Voy a anotar ({ $title }):
    [enter] Voy a anotar ({ $title }):
    [register] Voy a registrar ({ $title }):
    [add] Voy a añadir ({ $title }):
    [create] Voy a crear ({ $title }):
    [report] Voy a avisar de esto ({ $title }):
    [request] Voy a solicitar ({ $title }):
    [borrow] Voy a tomar prestado ({ $title }):
    [lend] Voy a prestar ({ $title }):
    [extend] Voy a prorrogar ({ $title }):
    [renew] Voy a renovar ({ $title }):
    [change] Voy a cambiar ({ $title }):
    [update] Voy a cambiar ({ $title }):
    [edit] Voy a cambiar ({ $title }):
    [move] Voy a mover ({ $title }):
    [reschedule] Voy a mover ({ $title }):
    [cancel] Voy a anular ({ $title }):
    [delete] Voy a borrar ({ $title }):
    [remove] Voy a quitar ({ $title }):
    [send] Voy a enviar ({ $title }):
    [return] Voy a devolver ({ $title }):
    [order] Voy a pedir ({ $title }):
    [buy] Voy a comprar ({ $title }):
    [pay] Voy a pagar ({ $title }):
   *[other] Confirma, por favor ({ $title }):
}
act-plan-plain = Confirma, por favor: { $title }
act-done = { $verb ->
    [book] Reservado
    [reserve] Reservado
    [record] Anotado
    [log] Anotado
    [enter] Anotado
    [register] Registrado
    [add] Añadido
    [create] Creado
    [report] Aviso enviado
    [request] Solicitado
    [borrow] Tomado en préstamo
    [lend] Prestado
    [extend] Prorrogado
    [renew] Renovado
    [change] Cambiado
    [update] Cambiado
    [edit] Cambiado
    [move] Movido
    [reschedule] Movido
    [set] Fijado
    [cancel] Anulado
    [delete] Borrado
    [remove] Quitado
    [send] Enviado
    [return] Devuelto
    [close] Cerrado
    [open] Abierto
    [order] Pedido
    [buy] Comprado
    [pay] Pagado
    [approve] Aprobado
    [reject] Rechazado
    [start] Empezado
    [stop] Detenido
   *[other] Hecho
}
act-done-plain = Hecho
changed = Cambiado: { $what }. Lo demás queda igual.
number-is = Número { $number }.
cancelled = De acuerdo, no se ha hecho nada.
lapsed = Lo que te pregunté ha cambiado entretanto, así que no se ha hecho nada.
opted-out = De acuerdo, no recibirás más mensajes que no hayas pedido. Sigo respondiendo a lo que escribas. Escribe START para volver a recibirlos.
opted-in = Bien, volverás a recibir mensajes. Escribe STOP para dejar de recibirlos.
left = De acuerdo.
too-late = Esa pregunta es de hace { $n ->
    [1] un minuto
    [2] dos minutos
    [3] tres minutos
   *[other] { $n } minutos
}. ¿Sigue en pie? { $what }
see-first = Primero mira esto, por favor.
only-asked = Solo { $name } puede confirmarlo.
only-asked-plain = Solo puede confirmarlo la persona a la que pregunté.
no-question = Ahora no hay nada pendiente. ¿Qué necesitas?
old-button = Ese botón ya no vale.

## Preguntas
ask-which = { $title }: ¿cuál eliges?
ask-choice = ¿{ $title }?
ask-day = { $title }: ¿qué día?
ask-moment = { $title }: ¿qué día y a qué hora?
ask-time = { $title }: ¿a qué hora? ({ $day })
ask-number = ¿{ $title }? Un número, por favor.
ask-text = ¿{ $title }?
ask-yes-no = { $title }: ¿sí o no?
ask-email = { $title }: ¿qué dirección de correo?
ask-photo = { $title }: envía una imagen, por favor.
ask-file = { $title }: envía una imagen o un archivo, por favor.
can-add-photo = Puedes añadir una foto.
can-add-file = Puedes añadir una foto o un archivo.
ask-change = ¿Qué quieres cambiar?
ask-change-none = Aquí no hay nada que cambiar.
two-fit = Encajan { $n }. ¿Cuál eliges?
two-fit-of = Encajan { $n }: { $shared }. ¿Cuál eliges?
not-there = Eso no lo encuentro. Hay esto:
no-rows = No encuentro nada para elegir: { $title }.
what-name = Hay { $n }. Estas son las primeras opciones; también puedes escribir un nombre.

## Problemas con un dato
bad-date = El { $day } de { $month } no existe. ¿Qué día quieres decir?
problem-order = El final tiene que ser posterior al comienzo.
problem-least = { $title }: como mínimo { $least }, por favor.
problem-most = { $title }: como máximo { $most }, por favor.
problem-short = { $title }: es demasiado corto.
problem-long = { $title }: es demasiado largo.
problem-number = { $title }: tiene que ser un número.
problem-day = { $title }: no entiendo ese día. Por ejemplo: { $example }.
problem-choice = { $title }: elige una de estas opciones, por favor.
problem-form = { $title }: eso no parece correcto.
problem-example = Por ejemplo: { $example }.
problem-email = { $title }: eso no es una dirección de correo.
problem-file = { $title }: tiene que ser una imagen o un archivo.
picture-lost = No he podido obtener la imagen; envíala otra vez, por favor.
file-lost = No he podido obtener el archivo; envíalo otra vez, por favor.
picture-too-large = La imagen es demasiado grande. Como máximo { $most }, por favor.
file-too-large = El archivo es demasiado grande. Como máximo { $most }, por favor.
picture-word = una imagen
file-word = un archivo
file-not-sent = No he podido enviarte aquí: { $what }.
file-not-passed-on = La respuesta es un archivo de más de { $most }; no puedo reenviarlo.
file-not-kept = La respuesta llegó como archivo ({ $what }) que no pude guardar, así que no puedo reenviarlo.
file-kind = { $title }: este tipo de archivo no sirve. Envía otro, por favor.
file-kind-of = { $title }: este tipo de archivo no sirve. Envía uno de estos, por favor: { $what }.
file-full = { $title }: no caben más archivos.

## Resultados
list-total = { $n ->
    [one] { $n } resultado.
   *[other] { $n } resultados.
}
list-first = Primeros { $n }:
list-next = { $n ->
    [1] El siguiente:
   *[other] Los { $n } siguientes:
}
list-end = Eso era todo.
list-cut = Hay { $n }, pero solo puedo ver { $shown }.
list-cut-more = Hay más de { $n }, pero solo puedo ver { $shown }.
list-total-more = Más de { $n } resultados.
list-only = { $n } de { $total } con «{ $what }».
list-seen = Solo he podido mirar los primeros { $n }.
list-narrow = Para ver los demás, elige abajo o pregunta con más detalle.
list-narrow-day = Para ver los demás, pregunta por un solo día.
nothing-of = { $about }: no he encontrado nada.
result-none = Hecho; no hay nada más que contar.
yes-word = sí
no-word = no
items = { $n ->
    [one] { $n } entrada
   *[other] { $n } entradas
}

## El sistema de detrás
away = { $system } no está disponible ahora. Inténtalo de nuevo en unos minutos, por favor.
away-effect = { $system } no está disponible ahora. Todavía no se ha hecho nada.
unknown-found = { $system } no respondió después de enviar esto. Lo he comprobado: está hecho.
unknown-open = { $system } no respondió después de enviar esto. Lo he comprobado y todavía no lo veo. No lo envíes otra vez, por favor; te escribo en unos minutos.
unknown-unchecked = { $system } no respondió después de enviar esto, así que no sé si se ha hecho. No lo envíes otra vez, por favor, sin haberlo comprobado.
unknown-lookup = { $system } no respondió. Inténtalo de nuevo, por favor.
unknown-again = { $system } no respondió después de enviar esto. No lo envíes otra vez, por favor; lo compruebo y te escribo en unos minutos.
act-away-later = { $system } no está disponible ahora. Lo seguiré intentando { $n ->
    [one] { $n } minuto
   *[other] { $n } minutos
} y te aviso; todavía no se ha hecho nada.
act-away-still = { $system } sigue sin estar disponible. Lo sigo intentando y te aviso; todavía no se ha hecho nada.
act-away-final = { $system } sigue sin estar disponible; no se ha hecho nada: { $what }. ¿Lo intento otra vez?
act-away-ended = { $system } sigue sin estar disponible, así que ya no lo intento más; no se ha hecho nada: { $what }.
later-stopped = De acuerdo, ya no lo intento más; no se ha hecho nada: { $what }.
later-stopped-unknown = De acuerdo, lo dejo. No sé si esto se ha hecho: { $what }. Compruébalo, por favor, antes de enviarlo otra vez.
later-found = { $what }: lo he comprobado otra vez y está hecho.
later-not-seen = Lo he comprobado otra vez y sigo sin verlo: { $what }. No puedo decir si se ha hecho; compruébalo, por favor, antes de enviarlo otra vez.
later-unknown = { $system } sigue sin responder, así que no puedo decir si esto se ha hecho: { $what }. Compruébalo, por favor, antes de enviarlo otra vez.
later-refused = { $system } lo rechazó cuando lo envié otra vez, así que no puedo decir si la primera vez se hizo: { $what }. Compruébalo, por favor, antes de enviarlo otra vez.
later-still-unknown = { $system } sigue sin responder. Lo sigo intentando y te aviso; no lo envíes otra vez, por favor.
later-still-not-seen = Lo he comprobado otra vez y todavía no lo veo. No lo envíes otra vez, por favor; vuelvo a mirar y te escribo.
later-gone = { $system } ya no ofrece esto, así que ya no lo intento más; no se ha hecho nada: { $what }.
later-broken = Perdona, algo ha fallado por mi parte, así que ya no lo intento más. No se ha hecho nada.
refused = Eso se ha rechazado.
refused-taken = Eso no encaja con lo que hay ahora.
alternatives = En su lugar se puede: { $list }.
no-credentials = No puedo iniciar sesión ({ $system }), así que no se ha hecho nada. Tu administrador tiene que corregir el acceso.
forbidden = { $system } no me permite hacer eso. Tu administrador puede cambiarlo.
gone = No lo encuentro; puede que se haya eliminado.
busy = { $system } tiene demasiado trabajo ahora. Inténtalo de nuevo en un minuto, por favor.
broken = { $system } tiene un problema ahora. Inténtalo de nuevo más tarde, por favor.
broken-effect = { $system } ha avisado de un problema, así que no sé si se ha hecho. Compruébalo, por favor, antes de enviarlo otra vez.
the-system = el sistema
not-callable = Eso todavía no puedo hacerlo: { $title }.
sorry = Perdona, algo ha fallado por mi parte. Escríbelo otra vez, por favor.

## Quién es alguien
who-unknown = No te encuentro en los datos ({ $system }), así que solo puedo mostrar información general. Tu administrador puede añadirte.
who-share = Comparte aquí tu propio contacto y te busco por tu número.
who-unchecked = Ahora no puedo comprobar quién eres. Inténtalo de nuevo en unos minutos, por favor.

## Incorrecto, una persona, otros tipos de mensaje
wrong-ask = Lo siento. ¿Qué estaba mal?
wrong-thanks = Gracias, queda anotado. ¿Quieres hablar con una persona?
person = He anotado que quieres hablar con una persona. No puedo ponerte en contacto yo mismo; usa tu contacto habitual, por favor.
kind-voice = Todavía no puedo escuchar mensajes de voz. ¿Puedes escribirlo en una frase?
kind-picture = Todavía no puedo ver imágenes. ¿Puedes escribirlo en una frase?
kind-file = Todavía no puedo abrir archivos. ¿Puedes escribirlo en una frase?
kind-place = Todavía no puedo usar lugares en un mapa. ¿Puedes escribir la dirección?
kind-other = Todavía no puedo leer este tipo de mensaje. ¿Puedes escribirlo en una frase?
