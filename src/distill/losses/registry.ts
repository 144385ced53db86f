// The losses that configs can name.
import { Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { klDivergence } from './kl-divergence.ts';
import { dkdLoss } from './dkd-loss.ts';
import { kdSoftCELoss } from './kd-soft-ce-loss.ts';
import { crossEntropyLoss } from './cross-entropy-loss.ts';
import { labelCrossEntropyLoss } from './label-cross-entropy-loss.ts';
import { distLoss } from './dist-loss.ts';
import { wsld } from './wsld.ts';
import { channelWiseDivergence } from './channel-wise-divergence.ts';
import { abLoss } from './ab-loss.ts';
import { atLoss } from './at-loss.ts';
import { ftLoss } from './ft-loss.ts';
import { ofdLoss } from './ofd-loss.ts';
import { l1Loss } from './l1-loss.ts';
import { l2Loss } from './l2-loss.ts';
import { mgdLoss } from './mgd-loss.ts';
import { pkdLoss } from './pkd-loss.ts';
import { fbkdLoss } from './fbkd-loss.ts';
import { distanceWiseRKD } from './distance-wise-rkd.ts';
import { angleWiseRKD } from './angle-wise-rkd.ts';
import { crdLoss } from './crd-loss.ts';
import { onehotLikeLoss } from './onehot-like-loss.ts';
import { informationEntropyLoss } from './information-entropy-loss.ts';
import { activationLoss } from './activation-loss.ts';
import { DistillLoss } from './loss.ts';
import { reverseKL } from './reverse-kl.ts';
import { jeffreysDivergence } from './jeffreys-divergence.ts';
import { jsDivergence } from './js-divergence.ts';
import { skewKL } from './skew-kl.ts';
import { totalVariation } from './total-variation.ts';
import { logitMSE } from './logit-mse.ts';
import { nkdLoss } from './nkd-loss.ts';
import { tfKDLoss } from './tf-kd-loss.ts';
import { ofaLoss } from './ofa-loss.ts';
import { wttmLoss } from './wttm-loss.ts';
import { ctkdLoss } from './ctkd-loss.ts';
import { mlkdLoss } from './mlkd-loss.ts';
import { softLabelEnsemble } from './soft-label-ensemble.ts';
import { standardizedLogits } from './standardized-logits.ts';
import { spLoss } from './sp-loss.ts';
import { ccLoss } from './cc-loss.ts';
import { pktLoss } from './pkt-loss.ts';
import { ckaLoss } from './cka-loss.ts';
import { infoNCELoss } from './info-nce-loss.ts';
import { compRessLoss } from './compress-loss.ts';
import { irgLoss } from './irg-loss.ts';
import { cosineLoss } from './cosine-loss.ts';
import { featureMSE } from './feature-mse.ts';
import { smoothL1Loss } from './smooth-l1-loss.ts';
import { vidLoss } from './vid-loss.ts';
import { nstLoss } from './nst-loss.ts';
import { fspLoss } from './fsp-loss.ts';
import { ickdLoss } from './ickd-loss.ts';
import { hclLoss } from './hcl-loss.ts';
import { gramLoss } from './gram-loss.ts';
import { catKDLoss } from './cat-kd-loss.ts';
import { skdLoss } from './skd-loss.ts';
import { srdLoss } from './srd-loss.ts';
import { afdLoss } from './afd-loss.ts';
import { fgdLoss } from './fgd-loss.ts';
import { attentionMSE } from './attention-mse.ts';
import { miniLMLoss } from './minilm-loss.ts';

const table = {
  KLDivergence: klDivergence,
  DKDLoss: dkdLoss,
  KDSoftCELoss: kdSoftCELoss,
  CrossEntropyLoss: crossEntropyLoss,
  LabelCrossEntropyLoss: labelCrossEntropyLoss,
  DISTLoss: distLoss,
  WSLD: wsld,
  ChannelWiseDivergence: channelWiseDivergence,
  ABLoss: abLoss,
  ATLoss: atLoss,
  FTLoss: ftLoss,
  OFDLoss: ofdLoss,
  L1Loss: l1Loss,
  L2Loss: l2Loss,
  MGDLoss: mgdLoss,
  PKDLoss: pkdLoss,
  FBKDLoss: fbkdLoss,
  DistanceWiseRKD: distanceWiseRKD,
  AngleWiseRKD: angleWiseRKD,
  CRDLoss: crdLoss,
  OnehotLikeLoss: onehotLikeLoss,
  InformationEntropyLoss: informationEntropyLoss,
  ActivationLoss: activationLoss,
  ReverseKL: reverseKL,
  JeffreysDivergence: jeffreysDivergence,
  JSDivergence: jsDivergence,
  SkewKL: skewKL,
  TotalVariation: totalVariation,
  LogitMSE: logitMSE,
  NKDLoss: nkdLoss,
  TfKDLoss: tfKDLoss,
  OFALoss: ofaLoss,
  WTTMLoss: wttmLoss,
  CTKDLoss: ctkdLoss,
  MLKDLoss: mlkdLoss,
  SoftLabelEnsemble: softLabelEnsemble,
  StandardizedLogits: standardizedLogits((config) => buildLoss(config)),
  SPLoss: spLoss,
  CCLoss: ccLoss,
  PKTLoss: pktLoss,
  CKALoss: ckaLoss,
  InfoNCELoss: infoNCELoss,
  CompRessLoss: compRessLoss,
  IRGLoss: irgLoss,
  CosineLoss: cosineLoss,
  FeatureMSE: featureMSE,
  SmoothL1Loss: smoothL1Loss,
  VIDLoss: vidLoss,
  NSTLoss: nstLoss,
  FSPLoss: fspLoss,
  ICKDLoss: ickdLoss,
  HCLLoss: hclLoss,
  GramLoss: gramLoss,
  CATKDLoss: catKDLoss,
  SKDLoss: skdLoss,
  SRDLoss: srdLoss,
  AFDLoss: afdLoss,
  FGDLoss: fgdLoss,
  AttentionMSE: attentionMSE,
  MiniLMLoss: miniLMLoss,
};

export const losses = new Registry<DistillLoss, typeof table>('loss', table);

/** A loss from `{ type: 'KLDivergence', tau: 4 }`; one that is built already is taken as it is. */
export function buildLoss(config: TypedConfig | DistillLoss, where?: string): DistillLoss {
  return config instanceof DistillLoss ? config : losses.build(config, where);
}
