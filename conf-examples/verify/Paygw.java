import static java.nio.charset.StandardCharsets.UTF_8;

import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Paygw {

    /**
     * Does a request come from our own gateway, and is it fresh?
     *
     * @param header request::getHeader of a servlet: the value, or null
     * @param body   the whole body, before anything has parsed it
     * @param key    the file that "sign=file:..." of paygw_deliver names,
     *               without the newline at its end
     */
    public static boolean genuine(UnaryOperator<String> header, byte[] body, byte[] key, long window)
            throws GeneralSecurityException {
        UnaryOperator<String> get = n -> n.isEmpty() || header.apply(n) == null ? "" : header.apply(n);
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        Stream.concat(Stream.of("x-paygw-signed"), Stream.of(get.apply("x-paygw-signed").split(" ")))
                .forEach(n -> mac.update((get.apply(n) + "\n").getBytes(UTF_8)));
        byte[] sum = String.format("v1=%064x", new BigInteger(1, mac.doFinal(body))).getBytes(UTF_8);
        boolean same = Stream.of(get.apply("x-paygw-signature").split(","))
                .anyMatch(s -> MessageDigest.isEqual(s.getBytes(UTF_8), sum));
        return key.length >= 16 && same
                && Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(get.apply("x-paygw-timestamp"))) <= window;
    }
}
