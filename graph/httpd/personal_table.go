package httpd

import "github.com/headwater-cdp/headwater/core/consent"

// The keys of what a page says when something is wrong.
const (
	faultBusy    = "busy"
	faultMethod  = "method"
	faultOften   = "often"
	faultGuesses = "guesses"
	faultExpired = "expired"
	faultInvalid = "invalid"
	faultGone    = "gone"
	faultForm    = "form"
)

// wordsOf are the languages of the pages; the first is for whoever reads none of them.
var wordsOf = []words{
	{
		Lang: "en", day: "2 January 2006",
		Title: "Your preferences", TitleAt: "Your preferences at %s",
		Saved: "Your choices are saved.", Withdrawn: "Everything that you can decide is off now.",
		Intro:  "You decide what your data is used for. What is ticked is on. Nothing changes until you press one of the buttons, and you can come back and choose anew at any time.",
		Within: "This is part of %s: it is on only where that is on too.", Use: "Use my data for this", On: "%s on",
		Save: "Save my choices", Nothing: "Turn everything off", Fixed: "What does not depend on your choice",
		Contract: "It is needed for what you asked for.", Law: "The law demands it.", Vital: "It protects people's lives.",
		OnTheWay: "Messages that were on their way already, and may still arrive: %s.",
		Confirm:  "Confirm", Confirmed: "Thank you, it is confirmed", Agree: "Do you agree to this: “%s”? Nothing has changed yet.", Agreed: "You agreed to this: “%s”. You can take it back at any time.",
		Leave: "Unsubscribe", Left: "You are unsubscribed",
		Gone: "The sender sends you no more messages of the kind “%s”%s.", GoneAt: "%s sends you no more messages of the kind “%s”%s.",
		Asked: "Do you want no more messages of the kind “%s”%s? Nothing has changed yet.", AskedAt: "Do you want no more messages of the kind “%[2]s” from %[1]s%[3]s? Nothing has changed yet.",
		Over: " by: %s",
		channels: map[string]string{
			"": "Everywhere", consent.Email: "E-mail", consent.SMS: "Text messages", consent.Push: "Notifications on a device",
			consent.WebChat: "Chat on the website", consent.InApp: "Messages in the app", consent.Webhook: "Other systems",
		},
		statuses: map[string]string{
			consent.Granted: "you agreed", consent.Denied: "you said no", consent.Withdrawn: "you took it back", consent.Expired: "your consent has expired",
			consent.Pending: "waits until you confirm it by the message that is sent to you", "on": "on; you have not said anything", "off": "off; you have not said anything",
		},
		faults: map[string]string{
			faultBusy:    "This does not work just now. Try again in a few minutes.",
			faultMethod:  "This page is opened or sent; nothing else.",
			faultOften:   "This link was used very often just now. Wait a little and try again.",
			faultGuesses: "Too many links that do not work were opened from where you are. Try again in a minute.",
			faultExpired: "This link has expired. A newer message from the sender has a new one at its end; or answer to any message of theirs and ask for a link to your preferences.",
			faultInvalid: "This link does not work: part of it may be missing. Open it again from the message that it came with, or ask the sender for a new one.",
			faultGone:    "Nothing is kept about you any more, so there is nothing to choose here.",
			faultForm:    "Nothing was changed: the form cannot be read. Open the link again and choose anew.",
		},
	},
	{
		Lang: "de", day: "2.1.2006",
		Title: "Ihre Einstellungen", TitleAt: "Ihre Einstellungen bei %s",
		Saved: "Ihre Auswahl ist gespeichert.", Withdrawn: "Alles, worüber Sie entscheiden können, ist jetzt ausgeschaltet.",
		Intro:  "Sie entscheiden, wofür Ihre Daten verwendet werden. Angekreuzt heißt eingeschaltet. Es ändert sich nichts, bis Sie einen der Knöpfe drücken, und Sie können jederzeit wiederkommen und neu wählen.",
		Within: "Das gehört zu %s: Es ist nur eingeschaltet, wo auch das eingeschaltet ist.", Use: "Meine Daten dafür verwenden", On: "%s am",
		Save: "Auswahl speichern", Nothing: "Alles ausschalten", Fixed: "Was nicht von Ihrer Wahl abhängt",
		Contract: "Es ist nötig für das, was Sie bestellt oder verlangt haben.", Law: "Das Gesetz verlangt es.", Vital: "Es schützt Menschenleben.",
		OnTheWay: "Nachrichten, die schon unterwegs waren und noch ankommen können: %s.",
		Confirm:  "Bestätigen", Confirmed: "Danke, es ist bestätigt", Agree: "Stimmen Sie dem zu: „%s“? Noch hat sich nichts geändert.", Agreed: "Sie haben dem zugestimmt: „%s“. Sie können es jederzeit zurücknehmen.",
		Leave: "Abmelden", Left: "Sie sind abgemeldet",
		Gone: "Der Absender schickt Ihnen keine Nachrichten der Art „%s“ mehr%s.", GoneAt: "%s schickt Ihnen keine Nachrichten der Art „%s“ mehr%s.",
		Asked: "Möchten Sie keine Nachrichten der Art „%s“ mehr erhalten%s? Noch hat sich nichts geändert.", AskedAt: "Möchten Sie von %s keine Nachrichten der Art „%s“ mehr erhalten%s? Noch hat sich nichts geändert.",
		Over: " (Weg: %s)",
		channels: map[string]string{
			"": "Überall", consent.Email: "E-Mail", consent.SMS: "SMS", consent.Push: "Mitteilungen auf einem Gerät",
			consent.WebChat: "Chat auf der Website", consent.InApp: "Nachrichten in der App", consent.Webhook: "Andere Systeme",
		},
		statuses: map[string]string{
			consent.Granted: "Sie haben zugestimmt", consent.Denied: "Sie haben abgelehnt", consent.Withdrawn: "Sie haben widerrufen", consent.Expired: "Ihre Einwilligung ist abgelaufen",
			consent.Pending: "wartet, bis Sie es durch die Nachricht an Sie bestätigen", "on": "eingeschaltet; Sie haben nichts gesagt", "off": "ausgeschaltet; Sie haben nichts gesagt",
		},
		purposes: map[string][2]string{
			consent.Operations:      {"Betrieb", "Was nötig ist, um für Sie zu tun, was Sie verlangt haben."},
			consent.Support:         {"Kundendienst", "Ihre Fragen und Beschwerden beantworten."},
			consent.Analytics:       {"Auswertung", "Aus Zahlen lernen, wie das Geschäft läuft."},
			consent.Marketing:       {"Werbung", "Ihnen von Angeboten und Neuigkeiten berichten."},
			consent.Advertising:     {"Anzeigen", "Ihnen anderswo zeigen, was zu dem passt, was Sie hier getan haben."},
			consent.Personalisation: {"Personalisierung", "Was Sie sehen, danach auswählen, was Sie getan haben."},
			consent.Compliance:      {"Gesetzliche Pflichten", "Anfragen von Menschen beantworten und nachweisen, was getan wurde."},
			consent.Security:        {"Sicherheit", "Die Daten der Menschen und den Dienst schützen."},
		},
		faults: map[string]string{
			faultBusy:    "Das geht im Augenblick nicht. Versuchen Sie es in einigen Minuten noch einmal.",
			faultMethod:  "Diese Seite wird geöffnet oder abgeschickt, sonst nichts.",
			faultOften:   "Dieser Link wurde eben sehr oft benutzt. Warten Sie ein wenig und versuchen Sie es noch einmal.",
			faultGuesses: "Von dort, wo Sie sind, wurden zu viele Links geöffnet, die nicht gehen. Versuchen Sie es in einer Minute noch einmal.",
			faultExpired: "Dieser Link ist abgelaufen. Am Ende einer neueren Nachricht des Absenders steht ein neuer; oder antworten Sie auf eine seiner Nachrichten und bitten Sie um einen Link zu Ihren Einstellungen.",
			faultInvalid: "Dieser Link geht nicht: Vielleicht fehlt ein Teil. Öffnen Sie ihn noch einmal aus der Nachricht, mit der er kam, oder bitten Sie den Absender um einen neuen.",
			faultGone:    "Über Sie ist nichts mehr gespeichert; hier gibt es nichts zu wählen.",
			faultForm:    "Es wurde nichts geändert: Das Formular ist nicht lesbar. Öffnen Sie den Link noch einmal und wählen Sie neu.",
		},
	},
	{
		Lang: "ro", day: "02.01.2006",
		Title: "Preferințele dumneavoastră", TitleAt: "Preferințele dumneavoastră la %s",
		Saved: "Alegerile au fost salvate.", Withdrawn: "Tot ce puteți decide este acum dezactivat.",
		Intro:  "Dumneavoastră decideți la ce sunt folosite datele. Ce este bifat este activ. Nimic nu se schimbă până când nu apăsați unul dintre butoane și puteți reveni oricând pentru a alege din nou.",
		Within: "Aceasta face parte din %s: este activă numai acolo unde și aceea este activă.", Use: "Folosiți datele mele pentru aceasta", On: "%s la",
		Save: "Salvează alegerile", Nothing: "Dezactivează tot", Fixed: "Ce nu depinde de alegerea dumneavoastră",
		Contract: "Este necesar pentru ceea ce ați cerut.", Law: "Legea o cere.", Vital: "Protejează viața oamenilor.",
		OnTheWay: "Mesaje care erau deja pe drum și mai pot ajunge: %s.",
		Confirm:  "Confirmare", Confirmed: "Mulțumim, este confirmat", Agree: "Sunteți de acord cu: „%s”? Încă nu s-a schimbat nimic.", Agreed: "Ați fost de acord cu: „%s”. Puteți reveni oricând asupra deciziei.",
		Leave: "Dezabonare", Left: "Sunteți dezabonat",
		Gone: "Expeditorul nu vă mai trimite mesaje de tipul „%s”%s.", GoneAt: "%s nu vă mai trimite mesaje de tipul „%s”%s.",
		Asked: "Nu mai doriți mesaje de tipul „%s”%s? Încă nu s-a schimbat nimic.", AskedAt: "Nu mai doriți de la %s mesaje de tipul „%s”%s? Încă nu s-a schimbat nimic.",
		Over: " prin: %s",
		channels: map[string]string{
			"": "Peste tot", consent.Email: "E-mail", consent.SMS: "SMS", consent.Push: "Notificări pe un dispozitiv",
			consent.WebChat: "Chat pe site", consent.InApp: "Mesaje în aplicație", consent.Webhook: "Alte sisteme",
		},
		statuses: map[string]string{
			consent.Granted: "ați fost de acord", consent.Denied: "ați refuzat", consent.Withdrawn: "v-ați retras acordul", consent.Expired: "acordul a expirat",
			consent.Pending: "așteaptă confirmarea prin mesajul care vi se trimite", "on": "activ; nu ați spus nimic", "off": "inactiv; nu ați spus nimic",
		},
		purposes: map[string][2]string{
			consent.Operations:      {"Funcționare", "Ce este necesar pentru a face ce ați cerut."},
			consent.Support:         {"Asistență", "Răspunsuri la întrebări și reclamații."},
			consent.Analytics:       {"Analiză", "A învăța din cifre cum merge activitatea."},
			consent.Marketing:       {"Marketing", "A vă informa despre oferte și noutăți."},
			consent.Advertising:     {"Publicitate", "A vă arăta în alte locuri ce se potrivește cu ce ați făcut aici."},
			consent.Personalisation: {"Personalizare", "A alege ce vedeți după ce ați făcut."},
			consent.Compliance:      {"Obligații legale", "A răspunde cererilor oamenilor și a dovedi ce s-a făcut."},
			consent.Security:        {"Securitate", "A proteja datele oamenilor și serviciul."},
		},
		faults: map[string]string{
			faultBusy:    "Acum nu funcționează. Încercați din nou peste câteva minute.",
			faultMethod:  "Această pagină se deschide sau se trimite; nimic altceva.",
			faultOften:   "Acest link a fost folosit foarte des. Așteptați puțin și încercați din nou.",
			faultGuesses: "De unde vă aflați au fost deschise prea multe linkuri care nu funcționează. Încercați din nou peste un minut.",
			faultExpired: "Acest link a expirat. Un mesaj mai nou al expeditorului are la sfârșit unul nou; sau răspundeți la un mesaj al său și cereți un link către preferințe.",
			faultInvalid: "Acest link nu funcționează: poate lipsește o parte. Deschideți-l din nou din mesajul cu care a venit sau cereți expeditorului unul nou.",
			faultGone:    "Nu se mai păstrează nimic despre dumneavoastră, deci aici nu este nimic de ales.",
			faultForm:    "Nu s-a schimbat nimic: formularul nu poate fi citit. Deschideți linkul din nou și alegeți iar.",
		},
	},
	{
		Lang: "fr", day: "02/01/2006",
		Title: "Vos préférences", TitleAt: "Vos préférences chez %s",
		Saved: "Vos choix sont enregistrés.", Withdrawn: "Tout ce dont vous pouvez décider est maintenant désactivé.",
		Intro:  "Vous décidez à quoi servent vos données. Ce qui est coché est activé. Rien ne change tant que vous n'appuyez pas sur l'un des boutons, et vous pouvez revenir choisir à nouveau à tout moment.",
		Within: "Ceci fait partie de « %s » : ce n'est activé que là où cela l'est aussi.", Use: "Utiliser mes données pour cela", On: "%s le",
		Save: "Enregistrer mes choix", Nothing: "Tout désactiver", Fixed: "Ce qui ne dépend pas de votre choix",
		Contract: "C'est nécessaire à ce que vous avez demandé.", Law: "La loi l'exige.", Vital: "Cela protège la vie des personnes.",
		OnTheWay: "Messages déjà en route, qui peuvent encore arriver : %s.",
		Confirm:  "Confirmer", Confirmed: "Merci, c’est confirmé", Agree: "Acceptez-vous ceci : « %s » ? Rien n’a encore changé.", Agreed: "Vous avez accepté ceci : « %s ». Vous pouvez revenir sur votre choix à tout moment.",
		Leave: "Se désabonner", Left: "Vous êtes désabonné",
		Gone: "L'expéditeur ne vous envoie plus de messages du type « %s »%s.", GoneAt: "%s ne vous envoie plus de messages du type « %s »%s.",
		Asked: "Ne voulez-vous plus de messages du type « %s »%s ? Rien n'a encore changé.", AskedAt: "Ne voulez-vous plus recevoir de %s de messages du type « %s »%s ? Rien n'a encore changé.",
		Over: " par : %s",
		channels: map[string]string{
			"": "Partout", consent.Email: "E-mail", consent.SMS: "SMS", consent.Push: "Notifications sur un appareil",
			consent.WebChat: "Chat sur le site", consent.InApp: "Messages dans l'application", consent.Webhook: "Autres systèmes",
		},
		statuses: map[string]string{
			consent.Granted: "vous avez accepté", consent.Denied: "vous avez refusé", consent.Withdrawn: "vous avez retiré votre accord", consent.Expired: "votre accord a expiré",
			consent.Pending: "attend que vous confirmiez par le message qui vous est envoyé", "on": "activé ; vous n'avez rien dit", "off": "désactivé ; vous n'avez rien dit",
		},
		purposes: map[string][2]string{
			consent.Operations:      {"Fonctionnement", "Ce qu'il faut pour faire ce que vous avez demandé."},
			consent.Support:         {"Assistance", "Répondre à vos questions et réclamations."},
			consent.Analytics:       {"Analyse", "Apprendre par les chiffres comment va l'activité."},
			consent.Marketing:       {"Marketing", "Vous informer d'offres et de nouveautés."},
			consent.Advertising:     {"Publicité", "Vous montrer ailleurs ce qui convient à ce que vous avez fait ici."},
			consent.Personalisation: {"Personnalisation", "Choisir ce que vous voyez d'après ce que vous avez fait."},
			consent.Compliance:      {"Obligations légales", "Répondre aux demandes des personnes et prouver ce qui a été fait."},
			consent.Security:        {"Sécurité", "Protéger les données des personnes et le service."},
		},
		faults: map[string]string{
			faultBusy:    "Cela ne marche pas pour l'instant. Réessayez dans quelques minutes.",
			faultMethod:  "Cette page s'ouvre ou s'envoie, rien d'autre.",
			faultOften:   "Ce lien vient d'être utilisé très souvent. Attendez un peu et réessayez.",
			faultGuesses: "Trop de liens qui ne marchent pas ont été ouverts de là où vous êtes. Réessayez dans une minute.",
			faultExpired: "Ce lien a expiré. Un message plus récent de l'expéditeur en porte un nouveau à la fin ; ou répondez à l'un de ses messages et demandez un lien vers vos préférences.",
			faultInvalid: "Ce lien ne marche pas : il en manque peut-être une partie. Ouvrez-le de nouveau depuis le message avec lequel il est venu, ou demandez-en un autre à l'expéditeur.",
			faultGone:    "Plus rien n'est conservé à votre sujet : il n'y a donc rien à choisir ici.",
			faultForm:    "Rien n'a été changé : le formulaire est illisible. Ouvrez de nouveau le lien et choisissez encore.",
		},
	},
}
