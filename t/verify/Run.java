import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.HashMap;
import java.util.Map;

public class Run {

    public static void main(String[] args) throws Exception {
        for (int i = 1; i < args.length; i++) {
            String text = new String(Files.readAllBytes(Path.of(args[i])), ISO_8859_1);
            int end = text.indexOf("\r\n\r\n");
            Map<String, String> fields = new HashMap<>();
            for (String line : text.substring(text.indexOf('\n') + 1, end).split("\r\n")) {
                int at = line.indexOf(": ");
                fields.put(line.substring(0, at).toLowerCase(Locale.ROOT), line.substring(at + 2));
            }
            byte[] body = text.substring(end + 4).getBytes(ISO_8859_1);
            System.out.println(Paygw.genuine(fields::get, body, args[0].getBytes(), 300) ? "genuine" : "forged");
        }
    }
}
